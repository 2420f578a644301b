#include "jinja/object.h"

namespace verbatim::jinja {

void Heap::retire(Object* object) noexcept {
  object->next_dead = dead_;
  dead_ = object;
  if (draining_) return;
  draining_ = true;
  while (dead_) {
    Object* next = dead_;
    dead_ = next->next_dead;
    used_ -= next->size + next->held;
    void* memory = dynamic_cast<void*>(next);
    std::destroy_at(next);
    ::operator delete(memory);
  }
  draining_ = false;
}

void Heap::enlist(Cyclic* object) {
  object->next = cyclic_;
  if (cyclic_) cyclic_->previous = object;
  cyclic_ = object;
}

Cyclic::~Cyclic() {
  if (previous) previous->next = next;
  if (next) next->previous = previous;
  if (heap && heap->cyclic_ == this) heap->cyclic_ = next;
}

void Heap::clear_cycles() noexcept {
  // Clearing one object may destroy any number of others: hold the current one and start over after it.
  while (cyclic_) {
    Ref<Cyclic> object(cyclic_);
    cyclic_ = object->next;
    if (cyclic_) cyclic_->previous = nullptr;
    object->next = nullptr;
    object->clear();
  }
}

} // namespace verbatim::jinja
