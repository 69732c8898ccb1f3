// What the processor and the operating system offer, asked of the processor itself: compilers have
// __builtin_cpu_supports for it, but not clang-cl.
#pragma once

#if defined(__x86_64__) || defined(_M_X64)

#include <cpuid.h>

namespace sunhwan {

struct Processor {
    bool avx2 = false, avx512 = false, vnni = false;  // avx2 with FMA and F16C
    bool intel = false;  // which converts float16 faster to wide registers than to narrow ones

    Processor() {
        unsigned a, b, c, d, keeps, high;
        if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return;  // XGETBV
        const bool fma_f16c = (c >> 12 & 1) && (c >> 29 & 1);
        asm volatile("xgetbv" : "=a"(keeps), "=d"(high) : "c"(0));
        if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
        // The registers must be kept from one process to the next: XMM and YMM, then ZMM and masks.
        avx2 = fma_f16c && (keeps & 0x06) == 0x06 && (b >> 5 & 1);
        const unsigned f_dq_bw_vl = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
        avx512 = avx2 && (keeps & 0xe6) == 0xe6 && (b & f_dq_bw_vl) == f_dq_bw_vl;
        vnni = avx512 && (c >> 11 & 1);
        intel = __get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx;
    }
};

}  // namespace sunhwan

#endif
