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

/// The one way from other threads to the JavaScript thread of an environment.
///
/// Lifetime: one per environment, closed by the environment's cleanup hook before anything else goes.
/// post() may be called from any thread at any time; after close() it does nothing. Letters run on the
/// JavaScript thread, in order. The event loop stays alive only while an operation is in progress.
///
/// Taking letters out waits for no lock: on a machine whose threads all compute, whoever sleeps for a lock,
/// however short it is held, waits for milliseconds until it runs again.
class Mailbox {
 public:
  using Letter = std::function<void(AddonData&)>;

  /// How often, and for how long at most, deliveries held the JavaScript thread.
  struct Statistics {
    uint64_t count = 0;
    double longest_ms = 0;
  };

  Mailbox(Napi::Env env, AddonData& data);
  ~Mailbox();

  void post(Letter letter);

  // JavaScript thread only.
  void begin_operation();
  void end_operation();
  void close();
  /// Since the last call.
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
  std::unique_ptr<Posted> take(); ///< the oldest letter, or null
  static void drop(Posted* posted);

  AddonData& data_;
  const napi_env env_;
  std::atomic<Posted*> posted_ = nullptr; ///< the newest first
  Posted* taken_ = nullptr;               ///< before those, the oldest first: the JavaScript thread's
  std::atomic<bool> signalled_ = false;
  std::mutex signal_mutex_; ///< of closed_ and the use of the signal by posting threads
  bool closed_ = false;
  Signal signal_;
  size_t operations_ = 0;
  Statistics statistics_;
};

} // namespace verbatim
