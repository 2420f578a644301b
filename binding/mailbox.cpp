#include "mailbox.h"

#include "addon-data.h"

#include <algorithm>
#include <chrono>

namespace verbatim {

namespace {

using Clock = std::chrono::steady_clock;

// Longest delivery: the JavaScript thread belongs to the host, and the rest waits for the next turn.
constexpr auto turn = std::chrono::milliseconds(2);

} // namespace

Mailbox::Mailbox(Napi::Env env, AddonData& data)
    : data_(data), env_(env), signal_(Signal::New(env, "verbatim-llama", 0, 1, this)) {
  signal_.Unref(env);
}

Mailbox::~Mailbox() {
  drop(posted_);
  drop(taken_);
}

void Mailbox::post(Letter letter) {
  auto* posted = new Posted{std::move(letter), posted_.load()};
  while (!posted_.compare_exchange_weak(posted->next, posted)) {
  }
  signal();
}

void Mailbox::signal() {
  if (signalled_.exchange(true)) return; // letters are looked for after it is cleared
  // Called under the lock: after close() the signal must not be touched.
  std::unique_lock lock(signal_mutex_);
  if (!closed_ && signal_.NonBlockingCall() == napi_ok) return;
  signalled_ = false;
  if (!closed_) return;
  lock.unlock(); // a letter may be the last owner of a model, whose end posts too
  drop(posted_.exchange(nullptr));
}

std::unique_ptr<Mailbox::Posted> Mailbox::take() {
  if (!taken_) {
    for (Posted* posted = posted_.exchange(nullptr); posted;) {
      Posted* const older = posted->next;
      posted->next = taken_;
      taken_ = posted;
      posted = older;
    }
  }
  if (!taken_) return nullptr;
  return std::unique_ptr<Posted>(std::exchange(taken_, taken_->next));
}

void Mailbox::drop(Posted* posted) {
  while (posted)
    delete std::exchange(posted, posted->next);
}

void Mailbox::begin_operation() {
  if (operations_++ == 0) signal_.Ref(env_);
}

void Mailbox::end_operation() {
  if (--operations_ == 0) signal_.Unref(env_);
}

void Mailbox::close() {
  {
    const std::lock_guard lock(signal_mutex_);
    if (closed_) return;
    closed_ = true;
    // Node releases the thread-safe function itself with the environment. At exit() of the process there
    // may be no environment left to release it in.
  }
  drop(posted_.exchange(nullptr));
  drop(std::exchange(taken_, nullptr));
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
  signalled_ = false;
  for (;;) {
    if (Clock::now() > end) return signal();
    const auto posted = take();
    if (!posted) return;
    const Napi::HandleScope scope(env_);
    try {
      posted->letter(data_);
    } catch (const Napi::Error&) {
      return; // the environment is being terminated
    }
  }
}

} // namespace verbatim
