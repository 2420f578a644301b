#include "cache/prefix-tree.h"

#include <algorithm>

namespace verbatim {

size_t common_prefix(std::span<const Token> a, std::span<const Token> b) {
  return static_cast<size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

PrefixTree::Match PrefixTree::match(std::span<const Token> tokens) const {
  Match best;
  std::vector<PrefixNode*> path;
  const auto descend = [&](const auto& self, const PrefixNode& node) -> void {
    for (const auto& child : node.children) {
      const auto rest = tokens.subspan(child->begin);
      if (rest.empty() || rest.front() != child->tokens.front()) continue;
      path.push_back(child.get());
      const size_t common = common_prefix(child->tokens, rest);
      if (child->begin + common > best.length) best = {path, child->begin + common};
      if (common == child->size()) self(self, *child);
      path.pop_back();
    }
  };
  descend(descend, root_);
  return best;
}

PrefixNode& PrefixTree::add(PrefixNode& parent, std::span<const Token> tokens) {
  auto node = std::make_unique<PrefixNode>();
  node->parent = &parent;
  node->begin = parent.end();
  node->tokens.assign(tokens.begin(), tokens.end());
  return *parent.children.emplace_back(std::move(node));
}

PrefixNode& PrefixTree::split(PrefixNode& node, size_t position) {
  auto& siblings = node.parent->children;
  const auto place = std::ranges::find(siblings, &node, &std::unique_ptr<PrefixNode>::get);
  const auto cut = node.tokens.begin() + static_cast<std::ptrdiff_t>(position - node.begin);

  auto upper = std::make_unique<PrefixNode>();
  upper->parent = node.parent;
  upper->begin = node.begin;
  upper->tokens.assign(node.tokens.begin(), cut);
  node.cache.saved = {};
  upper->cache = node.cache;
  node.tokens.erase(node.tokens.begin(), cut);
  node.begin = position;
  node.parent = upper.get();
  upper->children.push_back(std::move(*place));
  *place = std::move(upper);
  return **place;
}

void PrefixTree::remove(PrefixNode& node) {
  std::erase_if(node.parent->children, [&](const auto& child) { return child.get() == &node; });
}

} // namespace verbatim
