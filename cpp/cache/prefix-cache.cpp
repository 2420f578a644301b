#include "cache/prefix-cache.h"

#include <algorithm>
#include <new>
#include <utility>

namespace verbatim {

namespace {

// Fewer tokens are computed faster than copied.
constexpr size_t worth_saving = 16;

} // namespace

PrefixCache::PrefixCache(SequenceMemory& memory, Limits limits)
    : memory_(memory), limits_(limits), restore_id_(limits.ids() - 2), save_id_(limits.ids() - 1),
      holders_(static_cast<size_t>(limits.sharing ? restore_id_ : limits.running), Holder{&tree_.root()}) {
}

int32_t PrefixCache::acquire() {
  auto free = std::ranges::find(holders_, State::Free, &Holder::state);
  if (free == holders_.end() && evict_oldest())
    free = std::ranges::find(holders_, State::Free, &Holder::state);
  if (free == holders_.end()) return -1;
  free->state = State::Running;
  return static_cast<int32_t>(free - holders_.begin());
}

size_t PrefixCache::num_cached_tokens(std::span<const Token> tokens) const {
  return limits_.sharing && usable_ ? tree_.match(tokens).length : 0;
}

size_t PrefixCache::attach(int32_t id, std::span<const Token> tokens) {
  if (!limits_.sharing || !usable_) return 0;
  const auto match = tree_.match(tokens);
  ++clock_;
  for (PrefixNode* node : match.path) {
    node->cache.locked = true;
    node->cache.last_used = clock_;
  }
  size_t length = 0;
  for (PrefixNode* node : match.path) {
    const size_t end = std::min(node->end(), match.length);
    if (node->cache.holders == 0)
      node = restore(id, *node, end - node->begin);
    else {
      if (end < node->end()) {
        drop_saved(*node);
        node = &tree_.split(*node, end);
      }
      memory_.share(holder_of(*node), id, static_cast<int32_t>(node->begin), static_cast<int32_t>(end));
    }
    if (!node) break;
    hold(*node);
    holder(id).tail = node;
    length = end;
  }
  tree_.each([](PrefixNode& node) { node.cache.locked = false; });
  return length;
}

bool PrefixCache::append_saved(int32_t id, std::span<const Token> tokens, std::span<const uint8_t> data) {
  if (!usable_) return false;
  make_room(tokens.size());
  if (free_cells() < tokens.size() || !memory_.restore(restore_id_, data)) return false;
  const size_t begin = holder(id).tail->end();
  memory_.share(restore_id_, id, static_cast<int32_t>(begin), static_cast<int32_t>(begin + tokens.size()));
  memory_.clear(restore_id_);
  append(id, tokens);
  return true;
}

void PrefixCache::append(int32_t id, std::span<const Token> tokens) {
  if (tokens.empty()) return;
  Holder& owner = holder(id);
  PrefixNode& tail = *owner.tail;
  if (tail.parent && tail.cache.holders == 1 && tail.children.empty() && tail.cache.saved.empty()) {
    tail.tokens.insert(tail.tokens.end(), tokens.begin(), tokens.end());
    used_ += tokens.size();
    pinned_ += tokens.size();
  } else {
    owner.tail = &tree_.add(tail, tokens);
    hold(*owner.tail);
  }
}

void PrefixCache::cut_drafts(int32_t id, size_t begin) {
  if (usable_) memory_.truncate(id, static_cast<int32_t>(begin));
}

void PrefixCache::hold(PrefixNode& node) {
  if (node.cache.holders++ == 0) used_ += node.size();
  if (node.cache.pins++ == 0) pinned_ += node.size();
}

int32_t PrefixCache::holder_of(const PrefixNode& node) const {
  for (size_t id = 0; id < holders_.size(); ++id)
    for (const PrefixNode* at = holders_[id].tail; at->parent && at->end() >= node.end(); at = at->parent)
      if (at == &node) return static_cast<int32_t>(id);
  return -1;
}

void PrefixCache::clear(int32_t id) {
  // Clear even cells that count as empty: a computation that failed may have left something there.
  if (usable_) memory_.clear(id);
  unhold(id);
}

void PrefixCache::unhold(int32_t id) {
  Holder& owner = holder(id);
  PrefixNode* const tail = std::exchange(owner.tail, &tree_.root());
  for (PrefixNode* node = tail; node->parent; node = node->parent) {
    if (--node->cache.holders == 0) used_ -= node->size();
    if (owner.state == State::Running && --node->cache.pins == 0) pinned_ -= node->size();
  }
  remove_unreachable(tail);
}

/// Removes the nodes that are neither in cells nor in host memory, and everything below them.
void PrefixCache::remove_unreachable(PrefixNode* tail) {
  PrefixNode* gone = nullptr;
  for (PrefixNode* node = tail; node->parent; node = node->parent)
    if (node->cache.holders == 0 && node->cache.saved.empty()) gone = node;
  if (gone) remove(*gone);
}

/// Removes a node and everything below it, which is of no use without it.
void PrefixCache::remove(PrefixNode& node) {
  while (!node.children.empty())
    remove(*node.children.back());
  drop_saved(node);
  tree_.remove(node);
}

void PrefixCache::release(int32_t id, CachedCells cells) {
  const Holder& owner = holder(id);
  const bool useful = limits_.sharing && usable_ && owner.tail->parent && !redundant(*owner.tail);
  if (cells != CachedCells::Discard && useful) {
    keep(id);
    if (cells == CachedCells::Offload && owner.state == State::Idle) evict(id);
    return;
  }
  clear(id);
  holder(id).state = State::Free;
  trim();
}

/// Makes a running sequence an idle prefix.
void PrefixCache::keep(int32_t id) {
  Holder& owner = holder(id);
  for (PrefixNode* node = owner.tail; node->parent; node = node->parent) {
    node->cache.last_used = clock_ + 1;
    if (--node->cache.pins == 0) pinned_ -= node->size();
  }
  owner.state = State::Idle;
  owner.last_used = ++clock_;
  trim();
}

/// True when another sequence has the same tokens in cells.
bool PrefixCache::redundant(const PrefixNode& tail) const {
  return tail.cache.holders > 1 || std::ranges::any_of(tail.parent->children, [&](const auto& sibling) {
           return sibling.get() != &tail && sibling->cache.holders > 0 &&
                  common_prefix(sibling->tokens, tail.tokens) == tail.size();
         });
}

PrefixNode* PrefixCache::restore(int32_t id, PrefixNode& node, size_t count) {
  if (count < worth_saving && count < node.size()) return nullptr;
  make_room(node.size());
  if (free_cells() < node.size()) return nullptr;
  if (!memory_.restore(restore_id_, node.cache.saved)) return nullptr;
  PrefixNode* part = &node;
  if (count < node.size()) {
    const size_t end = node.end();
    drop_saved(node);
    part = &tree_.split(node, node.begin + count);
    for (PrefixNode* half : {part, &node}) {
      half->cache.saved = save_range(restore_id_, half->begin, half == part ? node.begin : end);
      if (!half->cache.saved.empty()) saved_ += half->size();
    }
  }
  memory_.share(restore_id_, id, static_cast<int32_t>(part->begin), static_cast<int32_t>(part->end()));
  memory_.clear(restore_id_);
  // The lower half could not be saved: nobody can have it.
  if (part != &node && node.cache.saved.empty()) remove(node);
  return part;
}

std::vector<uint8_t> PrefixCache::save_range(int32_t from, size_t begin, size_t end) {
  std::vector<uint8_t> data;
  memory_.share(from, save_id_, static_cast<int32_t>(begin), static_cast<int32_t>(end));
  try {
    data = memory_.save(save_id_);
  } catch (const std::bad_alloc&) {
    // Return nothing, so that the range is not kept.
  }
  memory_.clear(save_id_);
  return data;
}

bool PrefixCache::save(PrefixNode& node, int32_t holder) {
  if (!node.cache.saved.empty()) return true;
  if (node.size() > limits_.saved_tokens || (node.children.empty() && node.size() < worth_saving))
    return false;
  while (saved_ + node.size() > limits_.saved_tokens)
    if (!drop_oldest_saved()) return false;
  node.cache.saved = save_range(holder, node.begin, node.end());
  if (node.cache.saved.empty()) return false;
  saved_ += node.size();
  return true;
}

void PrefixCache::drop_saved(PrefixNode& node) {
  if (node.cache.saved.empty()) return;
  saved_ -= node.size();
  node.cache.saved = {};
}

bool PrefixCache::drop_oldest_saved() {
  PrefixNode* oldest = nullptr;
  // Copies of what is in cells too go first: nothing is lost with them.
  const auto order = [](const PrefixNode& node) {
    return std::pair(node.cache.holders == 0, node.cache.last_used);
  };
  tree_.each([&](PrefixNode& node) {
    // Without it, what comes after it would be lost too: the ends go first.
    const bool removable =
        !node.cache.saved.empty() && !node.cache.locked && (node.cache.holders > 0 || node.children.empty());
    if (removable && (!oldest || order(node) <= order(*oldest))) oldest = &node;
  });
  if (!oldest) return false;
  if (oldest->cache.holders > 0)
    drop_saved(*oldest);
  else
    remove(*oldest);
  return true;
}

void PrefixCache::evict(int32_t id) {
  std::vector<PrefixNode*> path;
  for (PrefixNode* node = holder(id).tail; node->parent; node = node->parent) {
    path.push_back(node);
    node->cache.locked = true;
  }
  for (auto node = path.rbegin(); node != path.rend(); ++node)
    if ((*node)->cache.holders == 1 && !save(**node, id)) break;
  for (PrefixNode* node : path)
    node->cache.locked = false;
  clear(id);
  holder(id).state = State::Free;
}

bool PrefixCache::evict_oldest() {
  int32_t oldest = -1;
  for (size_t id = 0; id < holders_.size(); ++id)
    if (holders_[id].state == State::Idle &&
        (oldest < 0 || holders_[id].last_used < holder(oldest).last_used))
      oldest = static_cast<int32_t>(id);
  if (oldest >= 0) evict(oldest);
  return oldest >= 0;
}

void PrefixCache::trim() {
  while (used_ - pinned_ > limits_.idle_cells && evict_oldest()) {
  }
}

void PrefixCache::make_room(size_t cells) {
  while (free_cells() < cells && evict_oldest()) {
  }
}

bool PrefixCache::evict_all() {
  const size_t before = used_;
  while (evict_oldest()) {
  }
  return used_ < before;
}

void PrefixCache::reset(bool usable) {
  usable_ = usable;
  tree_.root().children.clear();
  for (Holder& each : holders_) {
    each.tail = &tree_.root();
    if (each.state == State::Idle) each.state = State::Free;
  }
  used_ = pinned_ = saved_ = 0;
}

} // namespace verbatim
