#pragma once

#include "node-api.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace verbatim {

class AddonData;

/// The only way from other threads to the JavaScript thread of an environment.
///
/// One per environment, closed by its cleanup hook before anything else goes. Letters run on the JavaScript
/// thread, in order. The event loop stays alive only while an operation is in progress.
///
/// Delivery waits for no lock: where all processors compute, a thread that sleeps for a lock, however short
/// it is held, runs again only after milliseconds.
class Mailbox {
 public:
  using Letter = std::function<void(AddonData&)>;

  /// Number and longest duration of deliveries, which hold the JavaScript thread.
  struct Statistics {
    uint64_t count = 0;
    double longest_ms = 0;
  };

  Mailbox(Napi::Env env, AddonData& data);
  ~Mailbox();

  /// Posts a letter from any thread. Does nothing after close().
  void post(Letter letter);

  // JavaScript thread only.
  void begin_operation();
  void end_operation();
  void close();
  /// Returns the statistics since the last call.
  Statistics take_statistics() { return std::exchange(statistics_, {}); }

 private:
  static void deliver(Napi::Env env, Napi::Function, Mailbox* mailbox, void*);
  void deliver_letters();
  using Signal = Napi::TypedThreadSafeFunction<Mailbox, void, deliver>;

  struct Posted {
    Letter letter;
    Posted* next;
  };

  void signal();
  /// Takes the oldest letter, or null.
  std::unique_ptr<Posted> take();
  static void drop(Posted* posted);

  AddonData& data_;
  const napi_env env_;
  std::atomic<Posted*> posted_ = nullptr; ///< newest first
  Posted* taken_ = nullptr;               ///< letters before those, oldest first; JavaScript thread only
  std::atomic<bool> signalled_ = false;
  std::mutex signal_mutex_; ///< guards closed_, and signal_ on posting threads
  bool closed_ = false;
  Signal signal_;
  size_t operations_ = 0;
  Statistics statistics_;
};

} // namespace verbatim
