#include "cache/prefix-tree.h"

#include "check.h"
#include "support.h"

#include <algorithm>
#include <map>

using namespace verbatim;
using support::pick;

namespace {

using Tokens = std::vector<Token>;

size_t nodes(PrefixTree& tree) {
  size_t count = 0;
  tree.each([&](PrefixNode&) { ++count; });
  return count;
}

/// Returns the tokens from the root to the end of a node.
Tokens text(const PrefixNode& node) {
  Tokens tokens;
  for (const PrefixNode* at = &node; at->parent; at = at->parent)
    tokens.insert(tokens.begin(), at->tokens.begin(), at->tokens.end());
  return tokens;
}

/// Checks that a match is a path down from the root with the tokens asked for.
void check_match(PrefixTree& tree, const PrefixTree::Match& match, const Tokens& tokens) {
  CHECK_EQ(match.path.empty(), match.length == 0);
  const PrefixNode* parent = &tree.root();
  for (const PrefixNode* node : match.path) {
    CHECK_EQ(node->parent, parent);
    CHECK(node->begin < match.length);
    if (node != match.path.back()) CHECK(node->end() < match.length);
    parent = node;
  }
  if (match.path.empty()) return;
  CHECK(match.path.back()->end() >= match.length);
  CHECK_EQ(common_prefix(text(*match.path.back()), tokens), match.length);
}

} // namespace

TEST(prefix_tree_counts_common_tokens) {
  CHECK_EQ(common_prefix(Tokens{}, Tokens{}), 0u);
  CHECK_EQ(common_prefix(Tokens{1, 2}, Tokens{}), 0u);
  CHECK_EQ(common_prefix(Tokens{1, 2}, Tokens{2, 2}), 0u);
  CHECK_EQ(common_prefix(Tokens{1, 2}, Tokens{1, 2, 3}), 2u);
  CHECK_EQ(common_prefix(Tokens{1, 2, 4}, Tokens{1, 2, 3, 4}), 2u);
}

TEST(prefix_tree_matches_the_longest_prefix) {
  PrefixTree tree;
  CHECK_EQ(tree.match(Tokens{1, 2, 3}).length, 0u);
  PrefixNode& stem = tree.add(tree.root(), Tokens{1, 2, 3});
  PrefixNode& left = tree.add(stem, Tokens{4, 5});
  PrefixNode& right = tree.add(stem, Tokens{6});
  CHECK_EQ(stem.begin, 0u);
  CHECK_EQ(left.begin, 3u);
  CHECK_EQ(left.end(), 5u);

  const auto length = [&](const Tokens& tokens) {
    const auto match = tree.match(tokens);
    check_match(tree, match, tokens);
    return match.length;
  };
  CHECK_EQ(length({}), 0u);
  CHECK_EQ(length({7}), 0u);
  CHECK_EQ(length({2, 3}), 0u);
  CHECK_EQ(length({1}), 1u);
  CHECK_EQ(length({1, 2, 7}), 2u);
  CHECK_EQ(length({1, 2, 3}), 3u);
  CHECK_EQ(length({1, 2, 3, 7, 4}), 3u);
  CHECK_EQ(length({1, 2, 3, 4}), 4u);
  CHECK_EQ(length({1, 2, 3, 4, 5, 6}), 5u);
  CHECK(tree.match(Tokens{1, 2, 3, 4}).path == (std::vector<PrefixNode*>{&stem, &left}));
  CHECK(tree.match(Tokens{1, 2, 3, 6, 6}).path == (std::vector<PrefixNode*>{&stem, &right}));
}

TEST(prefix_tree_looks_into_every_branch_that_begins_alike) {
  PrefixTree tree;
  PrefixNode& first = tree.add(tree.root(), Tokens{1, 2, 3, 4, 5});
  PrefixNode& second = tree.add(tree.root(), Tokens{1, 2});
  PrefixNode& deep = tree.add(second, Tokens{3, 4, 5, 6, 7});
  CHECK(tree.match(Tokens{1, 2, 3, 4, 5, 6}).path == (std::vector<PrefixNode*>{&second, &deep}));
  CHECK_EQ(tree.match(Tokens{1, 2, 3, 4, 5, 6}).length, 6u);
  // The older one of two as long is taken.
  CHECK(tree.match(Tokens{1, 2, 3, 4, 5}).path == (std::vector<PrefixNode*>{&first}));
  tree.remove(second);
  CHECK_EQ(nodes(tree), 1u);
  CHECK_EQ(tree.match(Tokens{1, 2, 3, 4, 5, 6}).length, 5u);
}

TEST(prefix_tree_splits_a_node_above_itself) {
  PrefixTree tree;
  PrefixNode& before = tree.add(tree.root(), Tokens{9});
  PrefixNode& node = tree.add(tree.root(), Tokens{1, 2, 3, 4, 5});
  PrefixNode& child = tree.add(node, Tokens{6});
  node.cache.holders = 3;
  node.cache.pins = 2;
  node.cache.last_used = 7;
  node.cache.locked = true;
  node.cache.saved = {1, 2, 3};
  PrefixNode& upper = tree.split(node, 2);

  CHECK(upper.tokens == (Tokens{1, 2}));
  CHECK(node.tokens == (Tokens{3, 4, 5}));
  CHECK_EQ(upper.begin, 0u);
  CHECK_EQ(node.begin, 2u);
  CHECK(upper.parent == &tree.root() && node.parent == &upper && child.parent == &node);
  CHECK_EQ(upper.children.size(), 1u);
  CHECK_EQ(upper.children[0].get(), &node); // whoever ended in it still does
  CHECK_EQ(tree.root().children.size(), 2u);
  CHECK_EQ(tree.root().children[0].get(), &before);
  CHECK_EQ(child.begin, 5u);
  for (const PrefixNode* half : {&upper, &node}) {
    CHECK(half->cache.holders == 3 && half->cache.pins == 2 && half->cache.last_used == 7 &&
          half->cache.locked);
    CHECK(half->cache.saved.empty()); // it is the data of neither
  }
  const auto match = tree.match(Tokens{1, 2, 3, 4, 5, 6});
  CHECK(match.path == (std::vector<PrefixNode*>{&upper, &node, &child}));
}

TEST(prefix_tree_visits_parents_first) {
  PrefixTree tree;
  PrefixNode& a = tree.add(tree.root(), Tokens{1});
  PrefixNode& b = tree.add(tree.root(), Tokens{2});
  PrefixNode& c = tree.add(a, Tokens{3});
  std::vector<PrefixNode*> order;
  tree.each([&](PrefixNode& node) { order.push_back(&node); });
  CHECK(order == (std::vector<PrefixNode*>{&a, &c, &b}));
}

TEST(prefix_tree_agrees_with_a_list_of_texts) {
  // The text that each node ends, kept by itself.
  struct Known {
    PrefixNode* parent;
    Tokens text;
  };
  std::mt19937_64 random(11);
  const auto make = [&](size_t most) {
    Tokens tokens(pick<size_t>(random, 1, most));
    for (Token& token : tokens)
      token = pick<Token>(random, 1, 2); // few: so they often begin alike
    return tokens;
  };
  for (int round = 0; round < 30; ++round) {
    PrefixTree tree;
    std::map<PrefixNode*, Known> known = {{&tree.root(), {nullptr, {}}}};
    const auto any = [&] {
      return std::next(known.begin(), pick<std::ptrdiff_t>(random, 0, std::ssize(known) - 1));
    };
    for (int step = 0; step < 200; ++step) {
      const auto [node, what] = *any();
      switch (random() % 6) {
      case 0:
      case 1: {
        const Tokens tokens = make(8);
        Tokens whole = what.text;
        whole.insert(whole.end(), tokens.begin(), tokens.end());
        known[&tree.add(*node, tokens)] = {node, whole};
        break;
      }
      case 2: { // what nobody knows yet is added where it leaves the tree
        const Tokens tokens = make(20);
        const auto match = tree.match(tokens);
        if (match.length == tokens.size()) break;
        PrefixNode* at = match.path.empty() ? &tree.root() : match.path.back();
        if (at->end() > match.length && at->parent) {
          PrefixNode* const lower = at;
          at = &tree.split(*lower, match.length);
          known[at] = {known[lower].parent, {tokens.begin(), tokens.begin() + std::ssize(text(*at))}};
          known[lower].parent = at;
        }
        known[&tree.add(*at, std::span(tokens).subspan(match.length))] = {at, tokens};
        CHECK_EQ(tree.match(tokens).length, tokens.size());
        break;
      }
      case 3:
        if (node->size() > 1) {
          const size_t at = pick(random, node->begin + 1, node->end() - 1);
          PrefixNode* const upper = &tree.split(*node, at);
          known[upper] = {what.parent,
                          {what.text.begin(), what.text.begin() + static_cast<std::ptrdiff_t>(at)}};
          known[node].parent = upper;
        }
        break;
      case 4: {
        if (!node->parent || random() % 3) break;
        const auto below = [&, gone = node](PrefixNode* each) {
          while (each && each != gone)
            each = known.at(each).parent;
          return each != nullptr;
        };
        std::vector<PrefixNode*> all;
        for (const auto& [each, unused] : known)
          if (below(each)) all.push_back(each);
        tree.remove(*node);
        for (PrefixNode* each : all)
          known.erase(each);
        break;
      }
      default: {
        const Tokens tokens = make(24);
        size_t longest = 0;
        for (const auto& [each, one] : known)
          longest = std::max(longest, common_prefix(one.text, tokens));
        const auto match = tree.match(tokens);
        CHECK_EQ(match.length, longest);
        check_match(tree, match, tokens);
      }
      }
    }
    CHECK_EQ(nodes(tree) + 1, known.size());
    tree.each([&](PrefixNode& node) {
      const auto& expected = known.at(&node);
      CHECK(text(node) == expected.text);
      CHECK_EQ(node.parent, expected.parent);
      CHECK_EQ(node.begin, node.parent->parent ? node.parent->end() : 0);
      CHECK(node.size() > 0);
    });
  }
}
