import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes
import Testing

/// Real programs, real kernels: what VMs can and cannot do on the overlay.
@Suite(.serialized)
struct OverlayTests {
    private static let patience = Duration.milliseconds(600)

    @Test func guestsReachTheirApplicationAndNobodyElse() async throws {
        try await TestBed.run("reach") { bed in
            let red = try bed.createApplication("red")
            let blue = try bed.createApplication("blue")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            let beside = try bed.launch("blue-1", of: blue, on: 0)
            let across = try bed.launch("blue-2", of: blue, on: 1)

            for address in far.addresses { #expect(near.reaches(address, within: .seconds(5)), "\(address)") }
            for address in across.addresses { #expect(beside.reaches(address, within: .seconds(5)), "\(address)") }
            for address in beside.addresses + across.addresses {
                #expect(!near.reaches(address, within: Self.patience), "\(address) of another application answered")
            }
            let listener = try StreamListener(.ipv4, in: across.slot.name, port: 4000)
            #expect(try connects(from: beside.slot.name, to: across.ipv4, port: 4000, within: .seconds(2)))
            #expect(try !connects(from: near.slot.name, to: across.ipv4, port: 4000, within: Self.patience))
            withExtendedLifetime(listener) {}
            // The host's own addresses are in the overlay's 10/8, and yet out of reach.
            #expect(!near.reaches(bed.cluster.hosts[0].vtep, within: Self.patience))
            #expect(!near.reaches(bed.cluster.hosts[1].vtep, within: Self.patience))
        }
    }

    @Test func aForgedSourceDoesNotLeaveThePort() async throws {
        try await TestBed.run("spoof") { bed in
            let red = try bed.createApplication("red")
            let attacker = try bed.launch("red-1", of: red, on: 0)
            let victim = try bed.launch("red-2", of: red, on: 1)
            let impersonated = try bed.launch("red-3", of: red, on: 1)
            #expect(attacker.reaches(victim.ipv4, within: .seconds(5)))
            for (family, own, forged, target) in [
                (SocketFamily.ipv4, attacker.ipv4, impersonated.ipv4, victim.ipv4),
                (.ipv6, attacker.ipv6, impersonated.ipv6, victim.ipv6),
            ] {
                let trap = try DatagramTrap(family, in: victim.slot.name, port: 2222)
                let raw = try NamespaceSocket(.header, family, in: attacker.slot.name)
                func arrives(from source: PeerAddress) -> Bool {
                    let payload = Array("from \(source)".utf8)
                    for _ in 0..<3 {
                        raw.send(Packets.udp(from: source, to: target, port: 2222, payload: payload), to: target)
                    }
                    return trap.receives(payload, within: Self.patience)
                }
                #expect(arrives(from: own))
                #expect(!arrives(from: forged))
            }
        }
    }

    @Test func handMadeTunnelPacketsOfGuestsAreDropped() async throws {
        try await TestBed.run("inject") { bed in
            let red = try bed.createApplication("red")
            let blue = try bed.createApplication("blue")
            let attacker = try bed.launch("red-1", of: red, on: 0)
            let source = try bed.launch("blue-1", of: blue, on: 1)
            let target = try bed.launch("blue-2", of: blue, on: 0)
            let host = bed.cluster.hosts[0]
            #expect(source.reaches(target.ipv4, within: .seconds(5)))
            let leases = try bed.socket(host).status().leases
            let block = try #require(leases.first { $0.block.contains(target.attachment.sni) }).block
            let trap = try DatagramTrap(.ipv4, in: target.slot.name, port: 2223)
            func arrives(from namespace: String, vni: UInt32) throws -> Bool {
                let payload = Array("VNI \(vni) from \(namespace)".utf8)
                let inner = Packets.udp(from: source.ipv4, to: target.ipv4, port: 2223, payload: payload)
                let packet = Packets.vxlan(
                    vni: vni, destination: host.vtep.tunnelMAC, packet: inner)
                let socket = try NamespaceSocket(.datagram, .ipv4, in: namespace)
                for _ in 0..<3 { socket.send(packet, to: host.vtep, port: 4789) }
                return trap.receives(payload, within: Self.patience)
            }
            let peer = bed.cluster.hosts[1].namespace
            #expect(try arrives(from: peer, vni: block.vni.rawValue), "a known tunnel endpoint's packet")
            #expect(try !arrives(from: attacker.slot.name, vni: block.vni.rawValue), "a guest's packet")
            // The attacker's own block is in the filter of the same host, but its id does not fit the destination.
            let foreign = try #require(leases.first { $0.block.contains(attacker.attachment.sni) }).block
            #expect(try !arrives(from: peer, vni: foreign.vni.rawValue), "another block's id with this destination")
            // The switch is in the underlay, but not a known tunnel endpoint.
            #expect(
                try !arrives(from: bed.cluster.coordinatorNamespace, vni: block.vni.rawValue), "an unknown endpoint")
        }
    }
}
