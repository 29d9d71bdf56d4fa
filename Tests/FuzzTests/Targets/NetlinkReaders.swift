import Dataplane
import Glibc
import NetworkTypes

@testable import Netlink

/// The kernel's side of a netlink socket is the input: the first byte chooses the reader, the rest are datagrams, each behind
/// its length (two bytes, little-endian). Requests count from 1, so that answers can be told apart as in life.
enum NetlinkReaders {
    /// Readers in the order of their numbers; the corpus depends on it, so new ones come last.
    private static let readers: [@Sendable (NetlinkSocket) throws -> Void] = [
        { _ = try route($0).addresses() },
        { _ = try route($0).neighbors() },
        { _ = try route($0).nexthops() },
        { _ = try route($0).routes() },
        { _ = try route($0).vnis(index: 1) },
        { _ = try route($0).links() },
        { _ = try route($0).link(named: "sni000010") },
        { _ = try route($0).counters() },
        { _ = try route($0).vniCounters(index: 1) },
        { _ = try route($0).unwantedFrames() },
        { _ = try route($0).path(from: .v4(IPv4Address(1)), to: .v4(IPv4Address(2))) },
        { try CounterReader(adopting: $0).readLinks { _ in } },
        { try CounterReader(adopting: $0).readTunnels(index: 1) { _ in } },
        { _ = try overlay($0).structureGaps() },
        { _ = try overlay($0).dropCounters() },
        { _ = try overlay($0).foreignTables() },
        { _ = try overlay($0).dump(.pair4) },
        { _ = try overlay($0).dump(.pair6) },
        { _ = try overlay($0).dump(.source6) },
        { _ = try overlay($0).dump(.ingress4) },
        { _ = try overlay($0).dump(.tunnelID) },
        { try FlowReader(NFTables(.flows(device: "outrider"), adopting: $0), plan: .standard).read() },
        { _ = try TaskStatistics(adopting: $0, family: 21).cpu(ofProcess: 1) },
        { _ = try route($0).deleteLink(named: "sni000010") },
    ]

    static var count: Int { readers.count }

    private static func route(_ socket: NetlinkSocket) throws -> RouteSocket {
        RouteSocket(adopting: socket, in: try NamespaceSockets(path: nil))
    }

    private static func overlay(_ socket: NetlinkSocket) -> NFTables {
        NFTables(.overlay(device: "outrider"), adopting: socket)
    }

    static func run(_ input: [UInt8]) throws {
        var reader = InputReader(input)
        let chosen = Int(reader.byte())
        guard chosen < readers.count else { return }
        var pair: [Int32] = [0, 0]
        let type = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, type, 0, &pair) == 0 else { throw BrokenPromise("no socket pair: \(errno)") }
        defer { close(pair[1]) }
        let socket = NetlinkSocket(adopting: pair[0], answerWaitMilliseconds: 0)
        while !reader.isEmpty {
            let datagram = reader.bytes(reader.number())
            // An empty one is the end of such a socket, which a netlink socket does not have.
            guard !datagram.isEmpty else { continue }
            _ = unsafe send(pair[1], datagram, datagram.count, 0)
        }
        do {
            try readers[chosen](socket)
        } catch is NetlinkError {
            // Refusing is right for almost all inputs.
        }
    }
}
