import FleetProtocol
import NetworkTypes

/// Absolute counters that are read together, and what they can have counted since they were last read.
///
/// Counters have 64 bits and wrap. A difference modulo 2^64 counts only when a machine can have done that much in the
/// time: so a wrap is counted through, and a fall (a reset, another device under the same number) or a jump is not. Only
/// a reset within seconds of the wrap would look like it: no machine has yet counted 2^64 bytes.
protocol CounterGroup: Hashable, Sendable {
    static var zero: Self { get }
    /// Nil when any of the counters can't have moved like that within the time.
    func since(_ before: Self, within elapsed: Duration) -> Self?
    func adding(_ other: Self) -> Self
}

/// What no machine exceeds.
enum CounterLimit {
    /// 8.8 Tbit/s.
    static let bytesPerSecond: UInt64 = 1 << 40
    static let packetsPerSecond: UInt64 = 1 << 32
    /// Nanoseconds of CPU time: 8192 CPUs (the most that Linux is built for on x86-64).
    static let cpuPerSecond: UInt64 = 8192 * 1_000_000_000

    /// Nil when the counter can't have gone from `before` to `now`.
    ///
    /// A second is granted on top: readings are not taken at the very moment that they name.
    static func counted(
        _ now: UInt64, since before: UInt64, perSecond: UInt64, within elapsed: Duration
    ) -> UInt64? {
        let difference = now &- before
        let seconds = UInt64(max(0, elapsed.components.seconds)) + 2
        let (most, overflow) = perSecond.multipliedReportingOverflow(by: seconds)
        // Half of the range stays out of reach, or every fall would look like a wrap.
        return difference <= (overflow ? UInt64.max / 2 : min(most, .max / 2)) ? difference : nil
    }
}

extension TrafficCounters: CounterGroup {
    static var zero: Self { TrafficCounters() }

    func since(_ before: Self, within elapsed: Duration) -> Self? {
        func bytes(_ now: UInt64, _ before: UInt64) -> UInt64? {
            CounterLimit.counted(now, since: before, perSecond: CounterLimit.bytesPerSecond, within: elapsed)
        }
        func packets(_ now: UInt64, _ before: UInt64) -> UInt64? {
            CounterLimit.counted(now, since: before, perSecond: CounterLimit.packetsPerSecond, within: elapsed)
        }
        guard let received = bytes(receivedBytes, before.receivedBytes), let sent = bytes(sentBytes, before.sentBytes),
            let receivedPackets = packets(receivedPackets, before.receivedPackets),
            let sentPackets = packets(sentPackets, before.sentPackets),
            let dropped = packets(droppedPackets, before.droppedPackets)
        else { return nil }
        return TrafficCounters(
            receivedBytes: received, sentBytes: sent, receivedPackets: receivedPackets, sentPackets: sentPackets,
            droppedPackets: dropped)
    }

    func adding(_ other: Self) -> Self {
        TrafficCounters(
            receivedBytes: receivedBytes &+ other.receivedBytes, sentBytes: sentBytes &+ other.sentBytes,
            receivedPackets: receivedPackets &+ other.receivedPackets, sentPackets: sentPackets &+ other.sentPackets,
            droppedPackets: droppedPackets &+ other.droppedPackets)
    }
}

extension TunnelCounters: CounterGroup {
    static var zero: Self { TunnelCounters() }

    func since(_ before: Self, within elapsed: Duration) -> Self? {
        guard
            let bytes = CounterLimit.counted(
                receivedBytes, since: before.receivedBytes, perSecond: CounterLimit.bytesPerSecond, within: elapsed),
            let packets = CounterLimit.counted(
                receivedPackets, since: before.receivedPackets, perSecond: CounterLimit.packetsPerSecond,
                within: elapsed),
            let refused = CounterLimit.counted(
                refusedPackets, since: before.refusedPackets, perSecond: CounterLimit.packetsPerSecond, within: elapsed)
        else { return nil }
        return TunnelCounters(receivedBytes: bytes, receivedPackets: packets, refusedPackets: refused)
    }

    func adding(_ other: Self) -> Self {
        TunnelCounters(
            receivedBytes: receivedBytes &+ other.receivedBytes,
            receivedPackets: receivedPackets &+ other.receivedPackets,
            refusedPackets: refusedPackets &+ other.refusedPackets)
    }
}

/// Nanoseconds of CPU time.
struct CPUCounter: CounterGroup {
    var nanoseconds: UInt64
    static var zero: Self { CPUCounter(nanoseconds: 0) }

    func since(_ before: Self, within elapsed: Duration) -> Self? {
        CounterLimit.counted(
            nanoseconds, since: before.nanoseconds, perSecond: CounterLimit.cpuPerSecond, within: elapsed
        ).map(CPUCounter.init)
    }

    func adding(_ other: Self) -> Self { CPUCounter(nanoseconds: nanoseconds &+ other.nanoseconds) }
}

/// Bytes and packets of one pair.
struct PairCounter: CounterGroup {
    var bytes: UInt64
    var packets: UInt64
    static var zero: Self { PairCounter(bytes: 0, packets: 0) }

    func since(_ before: Self, within elapsed: Duration) -> Self? {
        guard
            let bytes = CounterLimit.counted(
                bytes, since: before.bytes, perSecond: CounterLimit.bytesPerSecond, within: elapsed),
            let packets = CounterLimit.counted(
                packets, since: before.packets, perSecond: CounterLimit.packetsPerSecond, within: elapsed)
        else { return nil }
        return PairCounter(bytes: bytes, packets: packets)
    }

    func adding(_ other: Self) -> Self { PairCounter(bytes: bytes &+ other.bytes, packets: packets &+ other.packets) }
}
