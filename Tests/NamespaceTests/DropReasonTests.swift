import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes
import Testing

/// Every reason that `outriderctl drops` can give, provoked by packets of a VM, of a known host and of a stranger.
@Suite(.serialized)
struct DropReasonTests {
    private struct Report: Decodable {
        struct Drop: Decodable {
            var reason: String
            var packets: Int
        }
        var drops: [Drop]
        var byReason: [String: Int] { Dictionary(uniqueKeysWithValues: drops.map { ($0.reason, $0.packets) }) }
    }

    /// A VM that sends what it likes, somebody it may not talk to, and the hosts.
    private struct Scene {
        let bed: TestBed
        let red: Guest
        let blue: Guest
        let gateway: MACAddress
        private let wire: NamespaceSocket

        init(_ bed: TestBed) throws {
            self.bed = bed
            let (first, second) = (try bed.createApplication("red"), try bed.createApplication("blue"))
            red = try bed.launch("red-1", of: first, on: 0)
            blue = try bed.launch("blue-1", of: second, on: 0)
            // Makes the other host a known one.
            let peer = try bed.launch("red-2", of: first, on: 1)
            #expect(red.reaches(peer.ipv4, within: .seconds(10)))
            // What their kernels say by themselves, to groups, is dropped and counted too.
            for guest in [red, blue] {
                try NetworkNamespace.setSysctls([("net/ipv6/conf/all/disable_ipv6", "1")], in: guest.slot.name)
            }
            struct Link: Decodable { var address: String }
            let text = try Command.run([
                "ip", "-n", bed.cluster.hosts[0].overlayNamespace, "-j", "link", "show", "dev", red.attachment.port,
            ])
            let link = try #require(try JSONDecoder().decode([Link].self, from: Data(text.utf8)).first)
            gateway = try #require(MACAddress(link.address))
            wire = try NamespaceSocket(.frame, .ipv4, in: red.slot.name)
        }

        var host: ClusterHost { bed.cluster.hosts[0] }
        var own: IPv4Address { red.attachment.ipv4 }
        var mac: MACAddress { red.attachment.mac }

        func send(_ type: UInt16, _ payload: [UInt8]) throws {
            try wire.send(
                frame: Packets.frame(to: gateway, from: mac, type: type, payload), through: "eth0")
        }

        func send(from source: IPv4Address? = nil, to destination: IPv4Address, port: UInt16 = 9) throws {
            try send(
                0x0800, Packets.udp(from: .v4(source ?? own), to: .v4(destination), port: port, payload: [1]))
        }

        /// A packet to the VM as another host would send it.
        func tunnel(vni: UInt32, to destination: IPv4Address, from namespace: String) throws {
            let packet = Packets.udp(from: .v4(blue.attachment.ipv4), to: .v4(destination), port: 9, payload: [1])
            let payload = Packets.vxlan(vni: vni, destination: host.vtep.tunnelMAC, packet: packet)
            let socket = try NamespaceSocket(.datagram, host.vtep.family, in: namespace)
            #expect(socket.send(payload, to: host.vtep, port: 4789) == 0)
        }

        /// Tunnel id of the VM's block.
        func vni() throws -> UInt32 {
            let leases = try bed.socket(host).status().leases
            return try #require(leases.first { $0.block.contains(red.attachment.sni) }).block.first.rawValue
        }
    }

    private static let forged = IPv4Address(0x0808_0808)

    /// By reason: what does that, and nothing else.
    private static let provocations: [String: @Sendable (Scene) throws -> Void] = [
        "source": { try $0.send(from: forged, to: $0.blue.attachment.ipv4) },
        "unconfigured": { try $0.send(from: IPv4Address(0), to: $0.blue.attachment.ipv4) },
        "options": {
            let udp: [UInt8] = [0, 9, 0, 9, 0, 8, 0, 0]
            try $0.send(
                0x0800,
                Packets.ipv4(
                    from: $0.own, to: $0.blue.attachment.ipv4, transport: 17, options: [1, 1, 1, 0], udp))
        },
        "multicast": { try $0.send(to: IPv4Address(0xE000_0005)) },
        "arp": {
            try $0.send(0x0806, Packets.arpRequest(from: forged, mac: $0.mac, for: $0.red.attachment.gateway4))
        },
        "nd": {
            let other = IPv6Address(high: 0xFE80 << 48, low: 0xBAD)
            let asked = $0.red.attachment.gateway6
            let body = [0, 0, 0, 0] + asked.bytes + [1, 1] + $0.mac.bytes
            try $0.send(0x86DD, Packets.icmpv6(from: other, to: asked, type: 135, body: body))
        },
        // Faster than any bucket fills while the loop runs.
        "flood": { scene in
            for _ in 0..<2_000 { try scene.send(from: IPv4Address(0), to: IPv4Address(.max), port: 67) }
        },
        "input": { try $0.send(to: $0.red.attachment.gateway4) },
        "pair": { try $0.send(to: $0.blue.attachment.ipv4) },
        "ingress": {
            try $0.tunnel(vni: $0.vni(), to: $0.blue.attachment.ipv4, from: $0.bed.cluster.hosts[1].namespace)
        },
        "vni": { try $0.tunnel(vni: 0xFF_FFFF, to: $0.own, from: $0.bed.cluster.hosts[1].namespace) },
        "underlay": { try $0.tunnel(vni: $0.vni(), to: $0.own, from: $0.bed.cluster.coordinatorNamespace) },
        "protocol": { try $0.send(0x88B5, [UInt8](repeating: 7, count: 46)) },
    ]

    private func counts(_ scene: Scene) throws -> [String: Int] {
        let text = try Command.run([
            scene.bed.cluster.program("outriderctl"), "drops", "--agent-socket", scene.host.socket, "--output", "json",
        ])
        return try JSONDecoder().decode(Report.self, from: Data(text.utf8)).byReason
    }

    /// - Parameter endpoints: with those of IPv6 the packets from other hosts come over it.
    @Test(arguments: [Underlay.Endpoints.ipv4, .ipv6])
    func everyReasonIsProvokedAndCountedAlone(_ endpoints: Underlay.Endpoints) async throws {
        try await TestBed.run("why\(endpoints.rawValue.suffix(1))", endpoints: endpoints) { bed in
            let scene = try Scene(bed)
            var before = try counts(scene)
            #expect(Set(before.keys) == Set(Self.provocations.keys), "a reason without a test, or the other way round")
            for (reason, provoke) in Self.provocations.sorted(by: { $0.key < $1.key }) {
                try provoke(scene)
                try bed.cluster.waitUntil("\(reason) is counted", timeout: .seconds(5)) {
                    ((try? counts(scene))?[reason] ?? 0) > before[reason] ?? 0
                }
                let after = try counts(scene)
                let risen = Set(after.keys.filter { after[$0] != before[$0] })
                #expect(risen == [reason], "\(before) \(after)")
                if reason != "flood" { #expect(after[reason] == (before[reason] ?? 0) + 1) }
                before = after
            }
        }
    }
}
