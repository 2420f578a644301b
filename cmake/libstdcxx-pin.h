// Included before everything else in a prebuild. GCC 12's libstdc++ gave this function a second version, which is what
// the linker takes; systems with glibc 2.34 have GCC 11's. The first version does the same.
#include <features.h>
#ifdef __GLIBC__
__asm__(".symver _ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE,"
        "_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE@GLIBCXX_3.4.11");
#endif
