#pragma once

#include "base/task-pool.h"
#include "base/thread.h"
#include "mailbox.h"
#include "model.h"
#include "node-api.h"

#include <functional>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

namespace verbatim {

/// The addon's data of one environment (the main thread or a worker thread). JavaScript thread only, except
/// for the mailbox.
///
/// shutdown() runs first at the end of an environment and at exit(): it closes the mailbox, stops every model
/// and joins every thread, before Node and the C++ runtime take down the rest.
class AddonData {
 public:
  static AddonData& of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }

  /// Registers shutdown() of all environments for an exit() from native code; lib/ calls it for Node's own
  /// exit. Call when the backends are loaded: exit handlers run before static objects constructed earlier are
  /// destroyed.
  static void shut_down_at_exit();

  explicit AddonData(Napi::Env env);
  ~AddonData();

  Napi::Env env() const { return env_; }
  Mailbox& mailbox() { return *mailbox_; }
  /// Returns the mailbox for threads that may outlive this object.
  const std::shared_ptr<Mailbox>& shared_mailbox() const { return mailbox_; }

  /// Runs blocking work on a thread of its own, for which shutdown() waits. Throws Error OutOfMemory when the
  /// system starts no thread.
  void run_in_background(std::function<void()> work);

  /// Returns the pool for work without a model, started at the first use. Throws like run_in_background().
  TaskPool& pool();

  /// Keeps a JavaScript function, and returns an id that may cross threads.
  uint64_t keep(Napi::Function callback);
  void forget(uint64_t callback_id);
  /// Calls a function, if it is still kept.
  void call(uint64_t callback_id, const std::vector<napi_value>& arguments = {});

  void track(const std::shared_ptr<Model>& model);
  /// Releases a model; the last owner does so on another thread, because freeing takes long.
  void release(std::shared_ptr<Model> model);
  void track(const std::shared_ptr<std::atomic<bool>>& load_cancelled);

  void shutdown();

  Napi::FunctionReference model_class, inference_class;

 private:
  struct Task {
    Thread thread;
    std::shared_ptr<std::atomic<bool>> done;
  };

  const napi_env env_;
  std::shared_ptr<Mailbox> mailbox_;
  std::list<Task> tasks_;
  std::unique_ptr<TaskPool> pool_;
  std::unordered_map<uint64_t, Napi::FunctionReference> callbacks_;
  uint64_t next_callback_id_ = 1;
  std::vector<std::weak_ptr<Model>> models_;
  std::vector<std::weak_ptr<std::atomic<bool>>> loads_;
  bool shut_down_ = false;
};

} // namespace verbatim
