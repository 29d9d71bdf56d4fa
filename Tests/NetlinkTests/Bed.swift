import Dataplane
import Foundation
import Glibc
import NamespaceKit
import NetworkTypes
import Synchronization
import Testing

@testable import Netlink

/// A host's namespace and an overlay namespace of its own, gone with the bed.
final class Bed {
    let hostName: String
    let overlayName: String
    let host: NamespaceSockets
    let namespace: OverlayNamespace
    let route: RouteSocket
    private var others: [String] = []

    private static let counter = Atomic<Int>(0)

    static func uniqueName(_ tag: String) -> String {
        "otr-\(getpid())-nl\(counter.add(1, ordering: .relaxed).newValue)\(tag)"
    }

    init() throws {
        hostName = Self.uniqueName("h")
        overlayName = Self.uniqueName("o")
        try NetworkNamespace.create([hostName])
        try OverlayNamespace.create(path: NetworkNamespace.path(overlayName))
        host = try NamespaceSockets(path: NetworkNamespace.path(hostName))
        namespace = try OverlayNamespace(path: NetworkNamespace.path(overlayName), host: host)
        route = try RouteSocket(in: namespace.overlay)
    }

    /// One more namespace, for a VM.
    func addNamespace(_ tag: String) throws -> NamespaceDescriptor {
        let name = Self.uniqueName(tag)
        try NetworkNamespace.create([name])
        others.append(name)
        return try NamespaceDescriptor(path: NetworkNamespace.path(name))
    }

    deinit {
        do {
            try OverlayNamespace.delete(path: NetworkNamespace.path(overlayName))
            try NetworkNamespace.remove([hostName] + others)
        } catch {
            Issue.record("left behind: \(hostName), \(overlayName): \(error)")
        }
    }

    static let vtep = IPAddress.v4(IPv4Address(0xC000_0201))
    static let device = TunnelDevice(
        name: "outrider", mac: vtep.tunnelMAC, vtep: vtep, port: 4789, mtu: 1450)

    /// The tunnel device, up.
    func makeDevice() throws -> Int {
        let state = try namespace.ensureDevice(Self.device, mayReplace: false, using: route)
        try namespace.raiseDevice(Self.device, using: route)
        return state.index
    }

    /// Output of `ip -json` in the overlay, decoded.
    func ip<Row: Decodable>(_ arguments: [String], as type: Row.Type) throws -> [Row] {
        try decode(Command.run(["ip", "-n", overlayName, "-json", "-d"] + arguments), as: type)
    }

    func decode<Row: Decodable>(_ text: String, as type: Row.Type) throws -> [Row] {
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        return try JSONDecoder().decode([Row].self, from: Data((trimmed.isEmpty ? "[]" : trimmed).utf8))
    }
}

/// A device as `ip -json -d link` prints it.
struct IPLink: Decodable {
    struct Info: Decodable {
        struct Data: Decodable {
            var local: String?
            var port: Int?
            var ttl: Int?
            var learning: Bool?
            var external: Bool?
            var vnifilter: Bool?
        }
        var info_kind: String?
        var info_data: Data?
    }
    var ifindex: Int
    var ifname: String
    var mtu: Int
    var address: String?
    var ifalias: String?
    var flags: [String]
    var linkinfo: Info?
}
