import LocalAPI
import NamespaceKit
import NetworkTypes

/// VMs of one application try to reach those of the other, on the same host and on another one.
struct CrossApplication {
    let bench: Bench
    private static let port: UInt16 = 4000
    private static let patience = Duration.milliseconds(400)

    /// Number of tries that got through.
    func run() async throws -> Int {
        let attacker = try await bench.launcher.machine(of: bench.shop, on: 0)
        let sameHost = try await bench.launcher.machine(of: bench.batch, on: 0)
        let otherHost = try await bench.launcher.machine(of: bench.batch, on: 1)
        let friend = try await bench.launcher.machine(of: bench.batch, on: 2)
        let result = try await offload { () throws(KitError) in
            var passed: [String] = []
            var silent: [String] = []
            for target in [sameHost, otherHost] {
                for address in [target.ipv4, target.ipv6] {
                    let listener = try StreamListener(address.family, in: target.slot.name, port: Self.port)
                    passed += try Self.reached(from: attacker, address).map {
                        "\($0) to \(address) on h\(target.host + 1)"
                    }
                    let expected = try Self.reached(from: friend, address)
                    if expected.count < 2 { silent.append("from the same application to \(address): \(expected)") }
                    withExtendedLifetime(listener) {}
                }
            }
            return (passed, silent)
        }
        for machine in [attacker, sameHost, otherHost, friend] { await bench.launcher.unpin(machine) }
        bench.recordControl("VMs of one application reach each other", result.1, tried: 4)
        return bench.recordForbidden("applications cannot reach each other", result.0, tried: 8)
    }

    /// The ways in which `machine` reached the address.
    private static func reached(from machine: LaunchedMachine, _ address: PeerAddress) throws(KitError) -> [String] {
        var ways: [String] = []
        if machine.slot.echo(for: address).firstReply(
            from: address, every: .milliseconds(50), timeout: patience) != nil
        {
            ways.append("ping")
        }
        if try connects(from: machine.slot.name, to: address, port: port, within: patience) { ways.append("TCP") }
        return ways
    }
}
