import Glibc
import NetworkTypes

/// `CLOCK_BOOTTIME`: monotonic, goes on while the machine sleeps, restarts at boot (clock_gettime(2)).
struct BootClock: Sendable {
    var now: Instant {
        var time = timespec()
        guard unsafe clock_gettime(CLOCK_BOOTTIME, &time) == 0 else {
            preconditionFailure("CLOCK_BOOTTIME is not readable, errno \(errno)")
        }
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
