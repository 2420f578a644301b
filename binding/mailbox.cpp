#include "mailbox.h"

#include "addon-data.h"

#include <chrono>

namespace verbatim {

namespace {

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
  const auto end = std::chrono::steady_clock::now() + turn;
  {
    const std::lock_guard lock(mailbox->mutex_);
    mailbox->signalled_ = false;
  }
  for (;;) {
    Letter letter;
    {
      const std::lock_guard lock(mailbox->mutex_);
      if (mailbox->closed_ || mailbox->letters_.empty()) return;
      if (std::chrono::steady_clock::now() > end) {
        if (!mailbox->signalled_) mailbox->signalled_ = mailbox->signal_.NonBlockingCall() == napi_ok;
        return;
      }
      letter = std::move(mailbox->letters_.front());
      mailbox->letters_.pop_front();
    }
    const Napi::HandleScope scope(env);
    letter(mailbox->data_);
  }
}

} // namespace verbatim
