import LocalAPI
import NamespaceKit
import NetworkTypes

/// A VM writes another VM's source address; the port must not let it out.
struct Spoofing {
    let bench: Bench
    private static let port: UInt16 = 2222
    private static let patience = Duration.milliseconds(400)

    /// Number of packets that got through.
    func run() async throws -> Int {
        let attacker = try await bench.launcher.machine(of: bench.shop, on: 0)
        let victim = try await bench.launcher.machine(of: bench.shop, on: 1)
        let impersonated = try await bench.launcher.machine(of: bench.shop, on: 2)
        let stranger = try await bench.launcher.machine(of: bench.batch, on: 1)
        let result = try await offload { () throws(KitError) in
            var passed: [String] = []
            var silent: [String] = []
            for family in [SocketFamily.ipv4, .ipv6] {
                let pick = { (machine: LaunchedMachine) in family == .ipv4 ? machine.ipv4 : machine.ipv6 }
                let trap = try DatagramTrap(family, in: victim.slot.name, port: Self.port)
                let raw = try NamespaceSocket(.header, family, in: attacker.slot.name)
                func arrives(_ source: LaunchedMachine, _ text: String) -> Bool {
                    let payload = Array("\(text) \(pick(source))".utf8)
                    let packet = Packets.udp(from: pick(source), to: pick(victim), port: Self.port, payload: payload)
                    for _ in 0..<3 { raw.send(packet, to: pick(victim)) }
                    return trap.receives(payload, within: Self.patience)
                }
                if !arrives(attacker, "own") { silent.append("own source \(pick(attacker))") }
                for source in [impersonated, stranger] where arrives(source, "forged") {
                    passed.append("source \(pick(source))")
                }
            }
            return (passed, silent)
        }
        for machine in [attacker, victim, impersonated, stranger] { await bench.launcher.unpin(machine) }
        bench.recordControl("a VM's own source address passes", result.1, tried: 2)
        return bench.recordForbidden("a VM cannot spoof its source", result.0, tried: 4)
    }
}
