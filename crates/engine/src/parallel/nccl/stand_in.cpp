// For tests on machines without GPUs: the functions of NCCL that warmstart calls, for ranks that are threads of one process. Numbers
// are added in the order of the ranks. A rank that waits for others returns where another thread aborts its communicator. The id of zeros
// is refused.

#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <vector>

struct Id {
  char bytes[128];
};

struct World {
  std::vector<std::vector<float>> numbers;
  int arrived = 0, left = 0, joined = 0, gone = 0;
};

struct Communicator {
  World *world;
  int rank, size;
  bool aborted = false;
};

// Never destroyed: a rank may still wait for others when the tests end, and the end would wait for it.
static std::mutex &lock = *new std::mutex;
static std::condition_variable &changed = *new std::condition_variable;
static std::map<std::string, World> &worlds = *new std::map<std::string, World>;
static int ids = 0;

extern "C" {

int ncclGetUniqueId(Id *id) {
  std::lock_guard<std::mutex> held(lock);
  memset(id->bytes, ++ids, sizeof id->bytes);
  return 0;
}

int ncclCommInitRank(void **out, int size, Id id, int rank) {
  if (id.bytes[0] == 0) return 1;
  std::unique_lock<std::mutex> held(lock);
  World &world = worlds[std::string(id.bytes, sizeof id.bytes)];
  world.numbers.resize(size);
  world.joined++;
  changed.notify_all();
  changed.wait(held, [&] { return world.joined == size; });
  *out = new Communicator{&world, rank, size};
  return 0;
}

int ncclAllReduce(const void *from, void *to, size_t count, int kind, int operation, void *communicator, void *stream) {
  if (kind != 7 || operation != 0 || stream != nullptr) return 4;
  auto *own = static_cast<Communicator *>(communicator);
  World &world = *own->world;
  std::unique_lock<std::mutex> held(lock);
  const auto *numbers = static_cast<const float *>(from);
  changed.wait(held, [&] { return world.left == 0 || own->aborted; });
  world.numbers[own->rank].assign(numbers, numbers + count);
  if (++world.arrived == own->size) world.left = own->size;
  changed.notify_all();
  changed.wait(held, [&] { return world.left > 0 || own->aborted; });
  if (own->aborted) return 6;
  auto *sums = static_cast<float *>(to);
  for (size_t at = 0; at < count; at++) {
    sums[at] = world.numbers[0][at];
    for (int rank = 1; rank < own->size; rank++) sums[at] += world.numbers[rank][at];
  }
  // The last one lets the next sum begin.
  if (--world.left == 0) world.arrived = 0;
  changed.notify_all();
  changed.wait(held, [&] { return world.left == 0 || own->aborted; });
  return 0;
}

int ncclCommGetAsyncError(void *, int *error) {
  *error = 0;
  return 0;
}

int ncclCommAbort(void *communicator) {
  std::lock_guard<std::mutex> held(lock);
  auto *own = static_cast<Communicator *>(communicator);
  own->aborted = true;
  own->world->gone++;
  changed.notify_all();
  return 0;
}

// As NCCL's, it waits until the others leave or end.
int ncclCommDestroy(void *communicator) {
  auto *own = static_cast<Communicator *>(communicator);
  std::unique_lock<std::mutex> held(lock);
  own->world->gone++;
  changed.notify_all();
  changed.wait(held, [&] { return own->world->gone == own->size; });
  delete own;
  return 0;
}

const char *ncclGetErrorString(int result) { return result == 1 ? "unhandled cuda error" : "remote process exited"; }

const char *ncclGetLastError(void *) { return ""; }
}
