import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes
import Testing

/// Bad calls on the agent's socket: an error that names the thing, and no change of state.
@Suite(.serialized)
struct RefusalTests {
    @Test func badLaunchesAreNamedAndChangeNothing() async throws {
        try await TestBed.run("bad") { bed in
            let red = try bed.createApplication("red")
            let guest = try bed.launch("red-1", of: red, on: 0)
            let host = bed.cluster.hosts[0]
            let socket = bed.socket(host)
            try await Task.sleep(for: .seconds(1))
            let before = try socket.status()
            let slot = try bed.freeSlot()

            func refusal(_ body: () throws(KitError) -> Void) -> (error: String, detail: String)? {
                do throws(KitError) {
                    try body()
                } catch {
                    if case .refused(let name, let detail) = error { return (name, detail) }
                }
                return nil
            }
            let unknown = ApplicationID(UUID128(high: 1, low: 2))
            let noApplication = try #require(
                refusal { () throws(KitError) in
                    _ = try socket.attach(application: unknown, vm: "x-1", into: slot, timeout: .seconds(2))
                })
            #expect(noApplication.detail.contains("\(unknown)"))

            // The same VM interface with another place for its port.
            let duplicate = try #require(
                refusal { () throws(KitError) in
                    _ = try socket.attach(application: red, vm: guest.name, into: slot, timeout: .seconds(2))
                })
            #expect(duplicate.detail.contains(guest.name))
            #expect(duplicate.error != noApplication.error)

            let noNamespace = try #require(
                refusal { () throws(KitError) in
                    _ = try socket.attach(
                        application: red, vm: "red-9", namespacePath: "/run/netns/otr-does-not-exist",
                        timeout: .seconds(2))
                })
            #expect(noNamespace.detail.contains("otr-does-not-exist"))

            try await Task.sleep(for: .seconds(1))
            let after = try socket.status()
            #expect(after.boundCount == before.boundCount)
            let ports = try Command.run(["ip", "-n", host.overlayNamespace, "-br", "link", "show", "type", "veth"])
            #expect(ports.split(separator: "\n").count == 1)
            // The identifier of the failed launch cools down and is not lost.
            #expect(after.leases.map(\.block) == before.leases.map(\.block))
        }
    }

    @Test func strangersMayNotUseTheSocket() async throws {
        try await TestBed.run("who", hosts: 1) { bed in
            let red = try bed.createApplication("red")
            let slot = try bed.freeSlot()
            let host = bed.cluster.hosts[0]
            // The one capability lets the stranger walk to program and socket, so that the socket's own mode stops them.
            let result = try Command.attempt([
                "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all,+dac_read_search",
                "--ambient-caps=+dac_read_search", bed.cluster.program("outriderctl"), "vm", "attach", "--agent-socket",
                host.socket, "--app", "\(red)", "--vm", "red-1", "--veth", slot.path,
            ])
            #expect(result.status == 77, "\(result.output)")
            #expect(result.output.contains(host.socket))
            #expect(try bed.socket(host).status().boundCount == 0)
        }
    }
}
