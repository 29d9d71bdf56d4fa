import Dataplane
import Glibc
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

/// One host whose whole data plane is made by the code under test.
final class KernelHost {
    /// The machine's own namespace, and the overlay's.
    let machine: String
    let overlay: String
    let endpoint: IPAddress
    let kernel: KernelDataplane
    var state: DataplaneState

    init(machine: Underlay.Machine) throws {
        self.machine = machine.namespace
        overlay = machine.namespace + "o"
        endpoint = machine.endpoint
        let path = NetworkNamespace.path(overlay)
        try OverlayNamespace.create(path: path)
        let configuration = DataplaneConfiguration(
            vtep: endpoint, mtu: Underlay.mtu - endpoint.tunnelOverhead)
        let host = try NamespaceSockets(path: NetworkNamespace.path(self.machine))
        kernel = try KernelDataplane(
            configuration: configuration, namespace: OverlayNamespace(path: path, host: host))
        state = DataplaneState(configuration: configuration, deletes: .everything)
        let elements = state.tracker.desiredElements
        try kernel.prepare(mayReplace: true, elements: { elements })
    }

    /// A guest behind a tap that the test reads and writes.
    func addGuest(sni number: UInt32, block: UInt32, application: ApplicationID) throws -> Guest {
        let sni = SessionNetworkID(unchecked: number)
        let port = Port(
            sni: sni, block: try Self.block(block), application: application,
            interface: try #require(VMInterface(vm: "vm\(sni)", nic: 0)),
            mac: MACAddress(0x064F_5200_0000 | UInt64(number)))
        let tap = try kernel.namespace.overlay.openTap(name: port.name, persistent: false)
        #expect(fcntl(tap, F_SETFL, fcntl(tap, F_GETFL) | O_NONBLOCK) == 0)
        try Command.run([
            "ip", "-n", overlay, "link", "set", port.name, "address", "\(DataplaneConfiguration.portMAC)", "mtu",
            "\(kernel.configuration.mtu)", "up",
        ])
        try state.apply(.setPort(port))
        let plan = kernel.configuration.plan
        return Guest(
            port: port, address4: plan.ipv4(of: sni), address6: plan.ipv6(of: sni),
            linkLocal: .linkLocal(0x044F_52FF_FE00_0000 | UInt64(number)), tap: tap)
    }

    static func block(_ first: UInt32) throws -> SNIBlock {
        try #require(SNIBlock(first: SessionNetworkID(unchecked: first), size: 16))
    }

    /// Plan and execute until desired and actual agree.
    func converge() throws {
        for _ in 0..<4 {
            state.resync(try kernel.dump())
            let plan = state.plan()
            guard !plan.isEmpty else { return }
            let outcome = kernel.execute(plan)
            #expect(outcome.failed.isEmpty, "\(outcome.failed)")
            outcome.completed.forEach { state.completed($0) }
        }
        Issue.record("no convergence: \(state.plan().operations)")
    }

    /// Packets by reason, those that never applied left out.
    func drops() throws -> [DropReason: UInt64] {
        Dictionary(uniqueKeysWithValues: try kernel.drops().filter { $0.packets > 0 }.map { ($0.reason, $0.packets) })
    }

    /// Does something and expects that it is dropped for this reason, once, and counted under no other.
    func expectDrop(
        _ reason: DropReason, _ what: String = "", sourceLocation: SourceLocation = #_sourceLocation,
        _ body: () throws -> Void
    ) throws {
        let before = try drops()
        try body()
        let deadline = ContinuousClock.now + .seconds(2)
        var after = try drops()
        while after == before, ContinuousClock.now < deadline {
            usleep(1000)
            after = try drops()
        }
        var counted: [DropReason: UInt64] = [:]
        for (reason, count) in after where count != before[reason] ?? 0 {
            counted[reason] = count - (before[reason] ?? 0)
        }
        #expect(counted == [reason: 1], "\(what)", sourceLocation: sourceLocation)
    }
}

/// Two hosts and a stranger on one underlay; two applications, red with two guests on the first host.
final class IsolationBed {
    static let redBlocks: [UInt32] = [12288, 12304]
    static let blueBlocks: [UInt32] = [8192, 8208]

    let underlay: Underlay
    let hosts: [KernelHost]
    let red = ApplicationID(UUID128(high: 0, low: 1))
    let blue = ApplicationID(UUID128(high: 0, low: 2))
    /// Guests by host.
    let reds: [Guest]
    let blues: [Guest]
    /// On the first host, beside its other red.
    let neighbor: Guest
    /// A machine of the underlay that is no host.
    var stranger: String { underlay.machines[2].namespace }

    init(_ label: String, _ endpoints: Underlay.Endpoints) throws {
        let underlay = try Underlay(
            prefix: "otr-iso\(getpid())-\(label)", machines: ["a", "b", "x"], endpoints: endpoints)
        self.underlay = underlay
        do {
            hosts = try underlay.machines[..<2].map { try KernelHost(machine: $0) }
            var guests: [[Guest]] = []
            for (host, blocks) in zip(hosts, zip(Self.redBlocks, Self.blueBlocks)) {
                guests.append([
                    try host.addGuest(sni: blocks.0 + 1, block: blocks.0, application: red),
                    try host.addGuest(sni: blocks.1 + 1, block: blocks.1, application: blue),
                ])
            }
            neighbor = try hosts[0].addGuest(sni: Self.redBlocks[0] + 2, block: Self.redBlocks[0], application: red)
            reds = guests.map { $0[0] }
            blues = guests.map { $0[1] }
            for index in hosts.indices { try declare(on: index) }
        } catch {
            try? NetworkNamespace.remove(underlay.namespaces + underlay.machines.map { $0.namespace + "o" })
            throw error
        }
    }

    deinit {
        for guest in reds + blues + [neighbor] { close(guest.tap) }
        try? NetworkNamespace.remove(underlay.namespaces + hosts.map(\.overlay))
    }

    private func declare(on index: Int) throws {
        let host = hosts[index]
        for (application, blocks) in [(red, Self.redBlocks), (blue, Self.blueBlocks)] {
            try host.state.apply(
                .setLocalBlock(LocalBlock(block: KernelHost.block(blocks[index]), application: application)))
            try host.state.apply(
                .setRemoteBlock(
                    RemoteRoute(
                        block: KernelHost.block(blocks[1 - index]), application: application,
                        vtep: hosts[1 - index].endpoint)))
            try host.state.apply(
                .setScope(Scope(application: application, ranges: [SNIRange(unchecked: blocks[0], count: 32)])))
        }
        try host.converge()
    }

    /// A VXLAN packet to the second host's UDP port, written in a machine's own namespace; `source` is bound to.
    func inject(
        vni: UInt32, _ packet: [UInt8], type: Int? = nil, from namespace: String, source: IPAddress? = nil
    ) throws {
        let target = hosts[1].endpoint
        let guessed = (packet.first ?? 0) >> 4 == 6 ? 0x86DD : 0x0800
        let socket = try NamespaceSocket(.datagram, target.family, in: namespace)
        if let source { try socket.bind(to: source) }
        #expect(socket.send(Frames.vxlan(vni, to: target, type: type ?? guessed, packet), to: target, port: 4789) == 0)
    }

    /// The same from the first host's namespace by its endpoint, which the second one knows.
    func injectKnown(vni: UInt32, _ packet: [UInt8], type: Int? = nil) throws {
        try inject(vni: vni, packet, type: type, from: hosts[0].machine, source: hosts[0].endpoint)
    }
}
