import Glibc
public import NetworkTypes
import Synchronization

/// What a stream of pings came to.
public struct PingStatistics: Sendable, Equatable {
    public var sent = 0
    public var received = 0
    /// Sends that the kernel refused; they count as sent and lost.
    public var refused = 0
    /// Longest run of consecutive probes without a reply.
    public var longestGap = 0
    /// Replies beyond the first of a probe: somebody else answered, too.
    public var repeated = 0
    public var lost: Int { sent - received }
    public init() {}
}

/// Echo requests from one namespace.
///
/// The socket may be opened long before the namespace has an address, and be used again for its next tenant.
public final class EchoSocket: Sendable {
    private let socket: NamespaceSocket
    private static let identifiers = Atomic<UInt16>(1)

    public init(_ family: SocketFamily, in namespace: String) throws(KitError) {
        socket = try NamespaceSocket(.echo, family, in: namespace)
    }

    /// A number that no earlier use of this process has, so that a late reply is never taken for a new one.
    private func freshIdentifier() -> UInt16 {
        Self.identifiers.add(1, ordering: .relaxed).newValue &+ UInt16(truncatingIfNeeded: getpid() &* 31)
    }

    private func drain() {
        while socket.receive(within: .zero) != nil {}
    }

    /// Sends a probe every `interval` until the first reply; the moment of the reply, or nil when `timeout` passed.
    public func firstReply(
        from peer: PeerAddress, every interval: Duration = .milliseconds(2), timeout: Duration
    ) -> ContinuousClock.Instant? {
        drain()
        let identifier = freshIdentifier()
        let deadline = ContinuousClock.now + timeout
        var sequence: UInt16 = 0
        var next = ContinuousClock.now
        while next < deadline {
            sequence &+= 1
            socket.send(
                Packets.echoRequest(socket.family, identifier: identifier, sequence: sequence), to: peer)
            next += interval
            repeat {
                let wait = max(.zero, next - ContinuousClock.now)
                guard let (data, _) = socket.receive(within: wait) else { break }
                if let reply = Packets.echoReply(socket.family, data), reply.identifier == identifier {
                    return ContinuousClock.now
                }
            } while ContinuousClock.now < next
        }
        return nil
    }

    /// Pings at a steady pace until the flag is raised and so many probes were sent, then waits `grace` for replies still
    /// under way.
    public func stream(
        to peer: PeerAddress, every interval: Duration, until stop: StopFlag, atLeast least: Int = 0,
        grace: Duration = .seconds(1)
    ) -> PingStatistics {
        drain()
        let identifier = freshIdentifier()
        var statistics = PingStatistics()
        var answered: [Bool] = []
        var next = ContinuousClock.now
        var deadline: ContinuousClock.Instant?
        func collect(until moment: ContinuousClock.Instant) {
            repeat {
                let wait = max(.zero, moment - ContinuousClock.now)
                guard let (data, _) = socket.receive(within: wait) else { return }
                guard let reply = Packets.echoReply(socket.family, data), reply.identifier == identifier else {
                    continue
                }
                let index = Int(reply.sequence)
                guard answered.indices.contains(index) else { continue }
                if answered[index] { statistics.repeated += 1 } else { statistics.received += 1 }
                answered[index] = true
            } while ContinuousClock.now < moment
        }
        // The sequence number has 16 bits: a stream ends there at the latest.
        while !stop.isRaised || statistics.sent < least, statistics.sent < 0x1_0000 {
            let sequence = UInt16(truncatingIfNeeded: statistics.sent)
            let packet = Packets.echoRequest(socket.family, identifier: identifier, sequence: sequence)
            if socket.send(packet, to: peer) != 0 { statistics.refused += 1 }
            statistics.sent += 1
            answered.append(false)
            next += interval
            collect(until: next)
        }
        let end = ContinuousClock.now + grace
        deadline = end
        while let moment = deadline, statistics.received < statistics.sent, ContinuousClock.now < moment {
            collect(until: min(moment, ContinuousClock.now + .milliseconds(20)))
        }
        statistics.longestGap = answered.split(separator: true).map(\.count).max() ?? 0
        return statistics
    }
}
