#include "mailbox.h"

#include "addon-data.h"

#include <algorithm>
#include <chrono>

namespace verbatim {

namespace {

using Clock = std::chrono::steady_clock;

// The JavaScript thread belongs to the host: after this long the rest waits for the next turn.
constexpr auto turn = std::chrono::milliseconds(2);

} // namespace

Mailbox::Mailbox(Napi::Env env, AddonData& data)
    : data_(data), env_(env), signal_(Signal::New(env, "verbatim-llama", 0, 1, this)) {
  signal_.Unref(env);
}

void Mailbox::post(Letter letter) {
  // The call stays under the lock: after close() the signal must not be touched any more.
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  letters_.push_back(std::move(letter));
  if (!signalled_) signalled_ = signal_.NonBlockingCall() == napi_ok;
}

void Mailbox::begin_operation() {
  if (operations_++ == 0) signal_.Ref(env_);
}

void Mailbox::end_operation() {
  if (--operations_ == 0) signal_.Unref(env_);
}

void Mailbox::close() {
  std::deque<Letter> undelivered;
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  closed_ = true;
  undelivered.swap(letters_);
  // Node releases the thread-safe function itself with the environment. At exit() of the process there
  // may be no environment left to release it in.
}

void Mailbox::deliver(Napi::Env env, Napi::Function, Mailbox* mailbox, void*) {
  if (env == nullptr || mailbox == nullptr) return; // the environment is going away
  const auto begin = Clock::now();
  mailbox->deliver_letters();
  const std::chrono::duration<double, std::milli> held = Clock::now() - begin;
  auto& statistics = mailbox->statistics_;
  ++statistics.count;
  statistics.longest_ms = std::max(statistics.longest_ms, held.count());
}

void Mailbox::deliver_letters() {
  const auto end = Clock::now() + turn;
  {
    const std::lock_guard lock(mutex_);
    signalled_ = false;
  }
  for (;;) {
    Letter letter;
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || letters_.empty()) return;
      if (Clock::now() > end) {
        if (!signalled_) signalled_ = signal_.NonBlockingCall() == napi_ok;
        return;
      }
      letter = std::move(letters_.front());
      letters_.pop_front();
    }
    const Napi::HandleScope scope(env_);
    try {
      letter(data_);
    } catch (const Napi::Error&) {
      return; // nothing works any more in an environment that is being terminated
    }
  }
}

} // namespace verbatim
