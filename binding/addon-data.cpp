#include "addon-data.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <mutex>

namespace verbatim {

namespace {

// The environments that exit() must stop before static objects are destroyed: process.exit() runs no cleanup
// hooks, and engine threads may be computing.
std::mutex live_mutex;
std::vector<AddonData*>& live() {
  static std::vector<AddonData*> all;
  return all;
}

void shutdown_all() {
  const std::lock_guard lock(live_mutex);
  for (AddonData* data : live())
    data->shutdown();
}

} // namespace

void AddonData::shut_down_at_exit() {
  static std::once_flag once;
  std::call_once(once, [] { std::atexit(shutdown_all); });
}

AddonData::AddonData(Napi::Env env) : env_(env), mailbox_(std::make_shared<Mailbox>(env, *this)) {
  const std::lock_guard lock(live_mutex);
  live().push_back(this);
}

AddonData::~AddonData() {
  shutdown();
  const std::lock_guard lock(live_mutex);
  std::erase(live(), this);
}

void AddonData::shutdown() {
  if (shut_down_) return;
  shut_down_ = true;
  mailbox_->close();
  for (const auto& load : loads_)
    if (const auto cancelled = load.lock()) *cancelled = true;
  tasks_.clear(); // joins
  if (pool_) pool_->stop();
  for (const auto& model : models_)
    if (const auto alive = model.lock()) alive->shutdown();
}

void AddonData::run_in_background(std::function<void()> work) {
  tasks_.remove_if([](const Task& task) { return task.done->load(); });
  auto done = std::make_shared<std::atomic<bool>>(false);
  tasks_.push_back({Thread([work = std::move(work), done] {
                      work();
                      *done = true;
                    }),
                    done});
}

TaskPool& AddonData::pool() {
  if (!pool_) pool_ = std::make_unique<TaskPool>(2);
  return *pool_;
}

uint64_t AddonData::keep(Napi::Function callback) {
  const uint64_t id = next_callback_id_++;
  callbacks_.emplace(id, Napi::Persistent(callback));
  return id;
}

void AddonData::forget(uint64_t callback_id) {
  callbacks_.erase(callback_id);
}

void AddonData::call(uint64_t callback_id, const std::vector<napi_value>& arguments) {
  const auto found = callbacks_.find(callback_id);
  if (found == callbacks_.end()) return;
  const auto callback = found->second.Value();
  try {
    callback.Call(arguments);
  } catch (const Napi::Error& error) {
    // The environment is being terminated: lib/ catches everything else.
    (void)error;
  }
}

void AddonData::track(const std::shared_ptr<Model>& model) {
  std::erase_if(models_, [](const auto& other) { return other.expired(); });
  models_.push_back(model);
}

void AddonData::release(std::shared_ptr<Model> model) {
  if (model.use_count() != 1 || shut_down_) return;
  try {
    run_in_background([model = std::move(model)]() mutable { model.reset(); });
  } catch (const std::exception&) {
    // No thread: freed here.
  }
}

void AddonData::track(const std::shared_ptr<std::atomic<bool>>& load_cancelled) {
  std::erase_if(loads_, [](const auto& other) { return other.expired(); });
  loads_.push_back(load_cancelled);
}

} // namespace verbatim
