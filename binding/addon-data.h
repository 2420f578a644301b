#pragma once

#include "base/thread.h"
#include "base/worker-pool.h"
#include "mailbox.h"
#include "model.h"
#include "node-api.h"

#include <functional>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

namespace verbatim {

/// Everything the addon owns in one environment (the main thread, or a worker thread). JavaScript thread
/// only, except for the mailbox.
///
/// At the end of an environment, and when the process exits, shutdown() runs first: it closes the mailbox,
/// stops every model and joins every thread, so that nothing of ours runs any more when Node and the C++
/// runtime take down the rest.
class AddonData {
 public:
  static AddonData& of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }

  /// To be called when the backends have been loaded: what is constructed later is destroyed earlier. lib/
  /// calls shutdown() when Node announces the exit; this is for an exit() that comes from native code.
  static void shut_down_at_exit();

  explicit AddonData(Napi::Env env);
  ~AddonData();

  Napi::Env env() const { return env_; }
  Mailbox& mailbox() { return *mailbox_; }
  /// For threads that may outlive this: posting to a closed mailbox does nothing.
  const std::shared_ptr<Mailbox>& shared_mailbox() const { return mailbox_; }

  /// Runs blocking work on a thread of its own; shutdown() waits for it. Throws Error OutOfMemory where the
  /// system starts no thread.
  void run_in_background(std::function<void()> work);

  /// Threads for work that belongs to no model; started at the first use. Throws like run_in_background().
  WorkerPool& pool();

  /// Keeps a JavaScript function for calls from elsewhere; the id is what may cross threads.
  uint64_t keep(Napi::Function callback);
  void forget(uint64_t callback_id);
  /// Calls it if it is still kept.
  void call(uint64_t callback_id, const std::vector<napi_value>& arguments = {});

  void track(const std::shared_ptr<Model>& model);
  /// Lets go of a model. Freeing one takes long, so the last owner leaves that to another thread.
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
  std::unique_ptr<WorkerPool> pool_;
  std::unordered_map<uint64_t, Napi::FunctionReference> callbacks_;
  uint64_t next_callback_id_ = 1;
  std::vector<std::weak_ptr<Model>> models_;
  std::vector<std::weak_ptr<std::atomic<bool>>> loads_;
  bool shut_down_ = false;
};

} // namespace verbatim
