#include "base/task-pool.h"

#include "check.h"
#include "support.h"

#include <atomic>
#include <thread>

using namespace verbatim;
using support::Gate;

TEST(task_pool_runs_what_many_threads_post) {
  std::atomic<int> sum = 0;
  {
    TaskPool pool(3);
    std::vector<std::thread> posters;
    for (int poster = 0; poster < 4; ++poster)
      posters.emplace_back([&] {
        for (int i = 1; i <= 1000; ++i)
          CHECK(pool.post([&sum, i] { sum += i; }));
      });
    for (auto& poster : posters)
      poster.join();
  } // the destructor runs what is left
  CHECK_EQ(sum.load(), 4 * 500500);
}

TEST(task_pool_is_first_come_first_served) {
  TaskPool pool(1);
  std::vector<int> order;
  for (int i = 0; i < 500; ++i)
    pool.post([&order, i] { order.push_back(i); });
  pool.stop();
  CHECK_EQ(order.size(), 500u);
  for (int i = 0; i < 500; ++i)
    CHECK_EQ(order[static_cast<size_t>(i)], i);
}

TEST(task_pool_runs_tasks_on_all_its_threads_at_once) {
  TaskPool pool(2);
  Gate gate;
  pool.post([&] { gate.pass(); });
  pool.post([&] { gate.pass(); });
  gate.await_arrival(2); // both at once
  gate.open();
}

TEST(task_pool_stops_once_and_refuses_afterwards) {
  TaskPool pool(2);
  Gate gate;
  std::atomic<int> ran = 0;
  for (int i = 0; i < 10; ++i)
    pool.post([&] {
      gate.pass();
      ++ran;
    });
  gate.await_arrival(2);
  std::thread opener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    gate.open();
  });
  pool.stop(); // waits
  CHECK_EQ(ran.load(), 10);
  opener.join();
  CHECK(!pool.post([&] { ++ran; }));
  pool.stop();
  CHECK_EQ(ran.load(), 10);
}

TEST(task_pool_accepts_tasks_from_tasks) {
  Gate done;
  TaskPool pool(1);
  CHECK(pool.post([&] { pool.post([&] { done.open(); }); }));
  CHECK(done.pass());
}

TEST(task_pool_frees_what_a_task_held) {
  const auto held = std::make_shared<int>(1);
  TaskPool pool(2);
  for (int i = 0; i < 20; ++i)
    pool.post([held] {});
  pool.stop();
  CHECK_EQ(held.use_count(), 1);
}
