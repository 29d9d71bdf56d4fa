import Foundation
import NamespaceKit
import Netlink
import NetworkTypes

/// Reading the counters of 256 ports, and making and removing one, in a namespace of its own.
enum NetlinkBenchmark {
    private static let ports = 256

    @Sendable static func run() async throws {
        let base = "otr-bench-\(ProcessInfo.processInfo.processIdentifier)"
        let names = [base, base + "-vm"]
        try NetworkNamespace.create(names)
        do {
            try await measure(names[0], machine: names[1])
        } catch {
            try? NetworkNamespace.remove(names)
            throw error
        }
        try NetworkNamespace.remove(names)
    }

    private static func measure(_ overlay: String, machine: String) async throws {
        let socket = try RouteSocket(in: NamespaceSockets(path: NetworkNamespace.path(overlay)))
        let peer = try NamespaceDescriptor(path: NetworkNamespace.path(machine))
        func create(_ index: Int) throws {
            try socket.createVethPort(
                name: "sni\(index)", gatewayMAC: mac(0x02_4f_52_00_00_01), peerName: "eth\(index)",
                peerNamespaceFD: peer.fd, peerMAC: mac(0x06_4f_52_00_00_00 | UInt64(index)), mtu: 1450,
                alias: "bench \(index)")
        }
        try await Report.each("netlink: make one veth port", operations: ports, warmup: 0) { try create($0) }
        try await Report.each("netlink: counters of \(ports) ports", operations: 1000, warmup: 10) { _ in
            let counters = try socket.counters()
            precondition(counters.count > ports)
        }
    }

    private static func mac(_ value: UInt64) -> MACAddress {
        let bytes = (0..<6).map { UInt8(truncatingIfNeeded: value >> (40 - 8 * UInt64($0))) }
        guard let address = MACAddress(bytes: bytes) else { preconditionFailure("six bytes are an address") }
        return address
    }
}
