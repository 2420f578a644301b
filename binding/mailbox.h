#pragma once

#include "node-api.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

namespace verbatim {

class AddonData;

/// The one way from other threads to the JavaScript thread of an environment.
///
/// Lifetime: one per environment, closed by the environment's cleanup hook before anything else goes.
/// post() may be called from any thread at any time; after close() it does nothing. Letters run on the
/// JavaScript thread, in order. The event loop stays alive only while an operation is in progress.
class Mailbox {
 public:
  using Letter = std::function<void(AddonData&)>;

  /// How often, and for how long at most, deliveries held the JavaScript thread.
  struct Statistics {
    uint64_t count = 0;
    double longest_ms = 0;
  };

  Mailbox(Napi::Env env, AddonData& data);

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

  AddonData& data_;
  const napi_env env_;
  std::mutex mutex_;
  std::deque<Letter> letters_;
  bool signalled_ = false;
  bool closed_ = false;
  Signal signal_;
  size_t operations_ = 0;
  Statistics statistics_;
};

} // namespace verbatim
