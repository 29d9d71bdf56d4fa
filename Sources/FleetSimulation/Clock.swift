import NetworkTypes

/// True time is ``World/now``; nobody in the world sees it. Clocks:
///
/// | clock | starts at | steps | used by |
/// |---|---|---|---|
/// | boot-time clock of a host | a skew of some seconds at boot | never; starts anew at a reboot | the agent |
/// | monotonic clock of a coordinator | 0 at the start of the process | never | the coordinator |
/// | wall clock | anywhere | forwards and back, by a fault | nobody, unless a defect is planted |
struct Clocks {
    /// True time at which each host's boot-time clock shows zero.
    var bootZero: [Int64]
    /// Wall clock minus true time.
    var wallOffset: Int64 = 0

    func boot(of host: Int, at now: Int64) -> Instant { Instant(nanoseconds: now - bootZero[host]) }
}
