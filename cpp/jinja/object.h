#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace verbatim::jinja {

class Heap;

/// Kinds of values. Everything from BigInt on lives in a heap object.
enum class Kind : uint8_t {
  Missing, ///< No value at all: an unset variable or argument.
  None,
  Bool,
  Int,
  Float,
  Undefined,
  BigInt,
  String,
  Bytes,
  List,
  Tuple,
  Dict,
  Set,
  View,
  Range,
  Iterator,
  Namespace,
  Macro,
  Function,
  Method,
  Loop,
  Cycler,
  Joiner,
  Block,
  Self,
  Buffer,
  Frame,
};

/// A reference-counted value of one render. Counts are not atomic: an object never leaves its render's
/// thread.
struct Object {
  explicit Object(Kind object_kind) : kind(object_kind) {}
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;
  /// Counts `bytes` in the heap as held by this object besides itself.
  void hold(size_t bytes);

  Heap* heap = nullptr;
  Object* next_dead = nullptr;
  size_t held = 0;
  uint32_t size = 0;
  uint32_t refs = 0;
  Kind kind;
};

/// An object that templates can change, so that it may refer to itself by way of others.
struct Cyclic : Object {
  using Object::Object;
  ~Cyclic() override;
  /// Drops the references of this object.
  virtual void clear() = 0;

  Cyclic* previous = nullptr;
  Cyclic* next = nullptr;
};

/// Owns the objects of one render and counts their memory.
class Heap {
 public:
  Heap() = default;
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  /// Makes an object with no references to it.
  template <class T, class... Arguments> T* make(Arguments&&... arguments) {
    auto* object = std::allocator<T>().allocate(1);
    try {
      std::construct_at(object, std::forward<Arguments>(arguments)...);
    } catch (...) {
      std::allocator<T>().deallocate(object, 1);
      throw;
    }
    object->heap = this;
    if constexpr (std::derived_from<T, Cyclic>) enlist(object);
    object->size = sizeof(T);
    used_ += sizeof(T);
    return object;
  }

  /// Destroys an object whose last reference is gone, without recursion however deep the values nest.
  void retire(Object* object) noexcept;

  /// Clears every object that can be part of a cycle. Called when a render ends.
  void clear_cycles() noexcept;

  size_t used() const { return used_; }
  void adjust(size_t before, size_t after) { used_ += after - before; }

 private:
  friend struct Cyclic;
  void enlist(Cyclic* object);

  Object* dead_ = nullptr;
  Cyclic* cyclic_ = nullptr;
  bool draining_ = false;
  size_t used_ = 0;
};

inline void Object::hold(size_t bytes) {
  heap->adjust(held, bytes);
  held = bytes;
}

/// A counted reference to an object.
template <class T> class Ref {
 public:
  Ref() = default;
  Ref(T* object) : object_(object) {
    if (object_) ++object_->refs;
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ && --object_->refs == 0) object_->heap->retire(object_);
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

} // namespace verbatim::jinja
