// NCCL's functions, found when they are needed: PyTorch for CUDA brings the library, and a build for the CPU has none. As in
// `shim.cpp`, a null pointer is success, and a message belongs to the caller.

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

namespace {

// As in nccl.h, which is the same for all versions of 2.
struct UniqueId {
  char bytes[128];
};
constexpr int success = 0, float32 = 7, sum = 0;

struct Functions {
  int (*GetUniqueId)(UniqueId *);
  int (*CommInitRank)(void **, int, UniqueId, int);
  int (*AllReduce)(const void *, void *, size_t, int, int, void *, void *);
  int (*CommGetAsyncError)(void *, int *);
  int (*CommAbort)(void *);
  int (*CommDestroy)(void *);
  const char *(*GetErrorString)(int);
  const char *(*GetLastError)(void *);
};
Functions nccl;

template <typename Function>
bool find(void *library, const char *name, Function &function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

char *message(const std::string &text) { return strdup(text.c_str()); }

char *checked(const char *what, int result, void *communicator = nullptr) {
  if (result == success) return nullptr;
  const char *last = nccl.GetLastError(communicator);
  std::string text = std::string(what) + ": " + nccl.GetErrorString(result);
  if (last != nullptr && *last != 0) text += std::string("; ") + last;
  return message(text);
}

}  // namespace

extern "C" {

// Loads the library at `path`, or the one that libtorch has loaded under this name.
char *ws_nccl_open(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return message(dlerror());
  // Not in `nccl`, which another library may have filled before.
  Functions all = {};
  const bool complete = find(library, "ncclGetUniqueId", all.GetUniqueId) && find(library, "ncclCommInitRank", all.CommInitRank) &&
                        find(library, "ncclAllReduce", all.AllReduce) && find(library, "ncclCommAbort", all.CommAbort) &&
                        find(library, "ncclCommGetAsyncError", all.CommGetAsyncError) &&
                        find(library, "ncclCommDestroy", all.CommDestroy) && find(library, "ncclGetErrorString", all.GetErrorString) &&
                        find(library, "ncclGetLastError", all.GetLastError);
  if (!complete) return message(std::string(path) + " lacks functions of NCCL 2.13 or newer");
  nccl = all;
  return nullptr;
}

char *ws_nccl_id(char *id) {
  UniqueId fresh;
  if (char *error = checked("ncclGetUniqueId", nccl.GetUniqueId(&fresh))) return error;
  memcpy(id, fresh.bytes, sizeof fresh.bytes);
  return nullptr;
}

// Waits until all ranks have called it. `gpu` is this rank's device, below 0 for none.
char *ws_nccl_join(const char *id, int size, int rank, int gpu, void **communicator) {
  try {
    std::optional<c10::DeviceGuard> guard;
    if (gpu >= 0) guard.emplace(c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(gpu)));
    UniqueId all;
    memcpy(all.bytes, id, sizeof all.bytes);
    return checked("ncclCommInitRank", nccl.CommInitRank(communicator, size, all, rank));
  } catch (const std::exception &error) {
    return message(error.what());
  }
}

// Replaces float32 numbers, one after the other in memory, by their sums over all ranks.
char *ws_nccl_sum(void *communicator, const at::Tensor *tensor) {
  try {
    const c10::OptionalDeviceGuard guard(tensor->is_cuda() ? std::optional(tensor->device()) : std::nullopt);
    int before = success;
    if (char *error = checked("ncclCommGetAsyncError", nccl.CommGetAsyncError(communicator, &before), communicator)) return error;
    if (char *error = checked("an earlier ncclAllReduce", before, communicator)) return error;
    void *numbers = tensor->data_ptr();
    // The null stream is the one on which libtorch computes where nobody chooses another.
    const int result = nccl.AllReduce(numbers, numbers, static_cast<size_t>(tensor->numel()), float32, sum, communicator, nullptr);
    return checked("ncclAllReduce", result, communicator);
  } catch (const std::exception &error) {
    return message(error.what());
  }
}

// Ends what waits for other ranks, from any thread.
void ws_nccl_abort(void *communicator) { nccl.CommAbort(communicator); }

// Waits until all ranks leave.
void ws_nccl_leave(void *communicator) { nccl.CommDestroy(communicator); }

}  // extern "C"
