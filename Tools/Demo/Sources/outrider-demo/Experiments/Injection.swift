import LocalAPI
import NamespaceKit
import NetworkTypes

/// A VM sends hand-made VXLAN packets of the other application to hosts' tunnel ports.
struct Injection {
    let bench: Bench
    private static let port: UInt16 = 2223
    private static let tunnelPort: UInt16 = 4789
    private static let patience = Duration.milliseconds(400)

    /// Number of packets that got through.
    func run() async throws -> Int {
        let attacker = try await bench.launcher.machine(of: bench.shop, on: 0)
        let impersonated = try await bench.launcher.machine(of: bench.batch, on: 2)
        let local = try await bench.launcher.machine(of: bench.batch, on: 0)
        let remote = try await bench.launcher.machine(of: bench.batch, on: 1)
        let hosts = bench.cluster.hosts
        let result = try await offload { () throws(KitError) in
            var passed: [String] = []
            var silent: [String] = []
            for target in [local, remote] {
                let host = hosts[target.host]
                guard let block = bench.topology.block(around: target.attachment.sni) else { continue }
                let trap = try DatagramTrap(.ipv4, in: target.slot.name, port: Self.port)
                func arrives(from namespace: String, _ text: String) throws(KitError) -> Bool {
                    let socket = try NamespaceSocket(.datagram, .ipv4, in: namespace)
                    let payload = Array("\(text) \(target.ipv4)".utf8)
                    let inner = Packets.udp(
                        from: impersonated.ipv4, to: target.ipv4, port: Self.port, payload: payload)
                    let packet = Packets.vxlan(
                        vni: block.vni.rawValue, destination: Self.deviceAddress(of: host), packet: inner)
                    for _ in 0..<3 { socket.send(packet, to: host.vtep, port: Self.tunnelPort) }
                    return trap.receives(payload, within: Self.patience)
                }
                // From a host's own namespace the same bytes must be delivered, or the try below would prove nothing.
                if try !arrives(from: hosts[impersonated.host].namespace, "genuine") {
                    silent.append("a genuine packet to \(host.name)")
                }
                if try arrives(from: attacker.slot.name, "injected") { passed.append("to \(host.name)") }
            }
            return (passed, silent)
        }
        for machine in [attacker, impersonated, local, remote] { await bench.launcher.unpin(machine) }
        bench.recordControl("hand-made VXLAN packets of a host are delivered", result.1, tried: 2)
        return bench.recordForbidden("a VM cannot inject VXLAN packets", result.0, tried: 2)
    }

    /// Address of a host's VXLAN device: 02:4f and the four bytes of its tunnel address.
    private static func deviceAddress(of host: ClusterHost) -> MACAddress {
        host.vtep.tunnelMAC
    }
}
