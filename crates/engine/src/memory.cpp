// Memory of tensors on the CPU. Large blocks are kept when they are freed, because each step of a training asks for the same sizes
// again. A new block comes from the system, which zeroes it page by page: a sixth of a training step. glibc keeps blocks too if it is
// asked to, but it mixes sizes, which takes a fifth more memory.
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <sys/mman.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <map>
#include <mutex>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace {

// Blocks of at least so many bytes are kept by their size.
constexpr size_t LARGE = size_t{1} << 20;
// Pages of 2 MB take fewer entries in the processor's table of addresses. A block of two such pages holds at least one of them,
// wherever the block begins.
constexpr size_t HUGE_PAGE = size_t{2} << 20;
constexpr size_t PAGE = 4096;
// What lies before each block, so that the block itself stays aligned as libtorch wants it.
constexpr size_t HEADER = 64;

struct Header {
  size_t mapped;   // bytes of the mapping; 0 where c10 made the block
  uint64_t freed;  // when it was freed, in calls
};

class KeepingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void *data = bytes == 0 ? nullptr : bytes < LARGE ? small(bytes) : large(bytes);
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void *to, const void *from, size_t bytes) const override { default_copy_data(to, from, bytes); }

  // Never destroyed: tensors may be freed after the program's other objects.
  static KeepingAllocator &only() {
    static auto *allocator = new KeepingAllocator;
    return *allocator;
  }

 private:
  static Header *header(void *data) { return reinterpret_cast<Header *>(static_cast<char *>(data) - HEADER); }

  static void *after(void *block, size_t mapped) {
    *static_cast<Header *>(block) = {mapped, 0};
    return static_cast<char *>(block) + HEADER;
  }

  static void *small(size_t bytes) { return after(c10::alloc_cpu(bytes + HEADER), 0); }

  void *large(size_t bytes) {
    const size_t size = (bytes + HEADER + PAGE - 1) / PAGE * PAGE;
    std::lock_guard<std::mutex> held(lock_);
    // A larger block does as well, if it is not much larger.
    const auto kept = kept_.lower_bound(size);
    if (kept != kept_.end() && kept->first <= size + size / 4) {
      void *block = kept->second;
      kept_bytes_ -= kept->first;
      lives(kept->first);
      kept_.erase(kept);
      return after(block, static_cast<Header *>(block)->mapped);
    }
    // Kept and used blocks together are at most a quarter above the most that was ever in use. With an eighth, each step returned
    // blocks and asked for them again, which took 8 % of its time.
    const size_t most = std::max(most_live_, live_ + size);
    keep_at_most(most + most / 4 - live_ - size);
    void *block = mapped(size);
    if (block == MAP_FAILED) {
      keep_at_most(0);
      block = mapped(size);
    }
    // c10's own message says how much was asked for.
    if (block == MAP_FAILED) return small(bytes);
    lives(size);
    return after(block, size);
  }

  void lives(size_t size) {
    live_ += size;
    most_live_ = std::max(most_live_, live_);
  }

  static void *mapped(size_t size) {
    void *block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#ifdef MADV_HUGEPAGE
    if (block != MAP_FAILED && size >= 2 * HUGE_PAGE) madvise(block, size, MADV_HUGEPAGE);
#endif
    return block;
  }

  // Returns blocks to the system, those that were freed first.
  void keep_at_most(size_t bytes) {
    while (kept_bytes_ > bytes) {
      const auto oldest = std::min_element(kept_.begin(), kept_.end(), [](const auto &a, const auto &b) {
        return static_cast<Header *>(a.second)->freed < static_cast<Header *>(b.second)->freed;
      });
      kept_bytes_ -= oldest->first;
      munmap(oldest->second, oldest->first);
      kept_.erase(oldest);
    }
  }

  static void release(void *data) {
    if (data == nullptr) return;
    Header *block = header(data);
    if (block->mapped == 0) return c10::free_cpu(block);
    auto &self = only();
    std::lock_guard<std::mutex> held(self.lock_);
    block->freed = ++self.calls_;
    self.live_ -= block->mapped;
    self.kept_bytes_ += block->mapped;
    self.kept_.emplace(block->mapped, block);
  }

  std::mutex lock_;
  std::multimap<size_t, void *> kept_;
  size_t live_ = 0, kept_bytes_ = 0, most_live_ = 0;
  uint64_t calls_ = 0;
};

}  // namespace

extern "C" void ws_keep_freed_memory() {
  c10::SetCPUAllocator(&KeepingAllocator::only(), /*priority=*/1);
#ifdef __GLIBC__
  // What oneDNN takes for its own use comes from glibc.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}
