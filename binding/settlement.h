#pragma once

#include "addon-data.h"
#include "convert.h"
#include "node-api.h"

#include <functional>
#include <memory>
#include <utility>
#include <variant>

namespace verbatim {

/// A promise that a letter from another thread settles, on the JavaScript thread. The object may cross
/// threads.
class Settlement {
 public:
  explicit Settlement(Napi::Env env) : deferred_(Napi::Promise::Deferred::New(env)) {
    AddonData::of(env).mailbox().begin_operation();
  }
  Napi::Promise promise() const { return deferred_.Promise(); }
  void settle(AddonData& data, const std::function<Napi::Value(Napi::Env)>& value, const Error* error) const {
    data.mailbox().end_operation();
    if (error)
      deferred_.Reject(to_js(data.env(), *error));
    else
      deferred_.Resolve(value(data.env()));
  }

 private:
  Napi::Promise::Deferred deferred_;
};

/// Runs `work` through `post`, on another thread, and returns a promise of its result.
/// @param post may throw; the promise is rejected then
template <typename Result>
Napi::Value settle_later(Napi::Env env, const std::function<void(std::function<void()>)>& post,
                         std::function<Result()> work) {
  const auto settlement = std::make_shared<const Settlement>(env);
  const auto settle = [settlement, mailbox = AddonData::of(env).shared_mailbox()](auto outcome) {
    mailbox->post([settlement, result = std::variant<Result, Error>(std::move(outcome))](AddonData& data) {
      settlement->settle(
          data, [&](Napi::Env letter_env) { return to_js(letter_env, std::get<Result>(result)); },
          std::get_if<Error>(&result));
    });
  };
  try {
    post([settle, work = std::move(work)] {
      try {
        settle(work());
      } catch (...) {
        settle(current_error());
      }
    });
  } catch (...) {
    settle(current_error()); // no thread for it
  }
  return settlement->promise();
}

} // namespace verbatim
