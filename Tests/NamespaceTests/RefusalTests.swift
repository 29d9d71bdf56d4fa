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

    /// Ports whose frames would pass the host's filters by, or that are no ports at all: each is refused by what it is.
    @Test func portsThatCannotServeAreRefusedByName() async throws {
        try await TestBed.run("kinds", hosts: 1) { bed in
            let red = try bed.createApplication("red")
            let host = bed.cluster.hosts[0]
            var client = try AgentClient(path: host.socket)
            let interface = try #require(VMInterface(vm: "red-1", nic: 0))
            _ = try client.attach(AttachCall(application: red, interface: interface, port: .later))
            let parent = ["link", "add", "link", "u0", "name"]
            for line in [
                parent + ["mv0", "type", "macvtap"], parent + ["ml0", "type", "macvlan"],
                ["link", "add", "br0", "type", "bridge"], ["tuntap", "add", "tun0", "mode", "tun"],
                ["link", "add", "vx0", "type", "vxlan", "id", "9", "dstport", "9999"],
            ] {
                try Command.run(["ip", "-n", host.namespace] + line)
            }
            let refused = [
                ("mv0", "macvtap"), ("ml0", "macvlan"), ("br0", "bridge"), ("tun0", "tun device"), ("vx0", "vxlan"),
            ]
            let before = try Command.run(["ip", "-n", host.namespace, "-j", "link"])
            for (port, kind) in refused {
                let failure = refusal { _ = try client.plug(PlugCall(interface: interface, port: port)) }
                guard case .portFailed("unsupported", let subject, let detail)? = failure else {
                    Issue.record("\(port): \(failure as Any)")
                    continue
                }
                #expect(subject == port && detail.contains(kind))
            }
            #expect(try Command.run(["ip", "-n", host.namespace, "-j", "link"]) == before)
            let socket = refusal { _ = try client.plug(PlugCall(interface: interface, port: "/run/vhost/red-1.sock")) }
            #expect("\(socket as Any)".contains("vhost-user"))
            // Names that no interface can have, and one that is in another namespace than the call says.
            for name in ["", "sixteen-bytes-xx", "a name"] {
                let failure = refusal { _ = try client.plug(PlugCall(interface: interface, port: name)) }
                #expect("\(failure as Any)".contains("port"), "\(name)")
            }
            let elsewhere = try bed.freeSlot()
            try Command.run(["ip", "-n", elsewhere.name, "tuntap", "add", "far0", "mode", "tap"])
            let missing = refusal { _ = try client.plug(PlugCall(interface: interface, port: "far0")) }
            guard case .portFailed("no-such-port", let subject, _)? = missing else {
                Issue.record("\(missing as Any)")
                return
            }
            #expect(subject.contains("far0"))
            let found = try client.plug(PlugCall(interface: interface, port: "far0", namespace: elsewhere.path))
            #expect(!(try Command.run(["ip", "-n", elsewhere.name, "-br", "link"])).contains("far0"))
            #expect(try Command.run(["ip", "-n", host.overlayNamespace, "-br", "link"]).contains(found.port))
        }
    }

    @Test func anAddressOfAnotherVMIsRefused() async throws {
        try await TestBed.run("mac", hosts: 1) { bed in
            let red = try bed.createApplication("red")
            var client = try AgentClient(path: bed.cluster.hosts[0].socket)
            func call(_ vm: String, nic: Int = 0, _ mac: MACAddress) throws -> AttachCall {
                AttachCall(
                    application: red, interface: try #require(VMInterface(vm: vm, nic: nic)), mac: mac,
                    port: .tap(uid: nil, gid: nil))
            }
            let mac = MACAddress(0x0654_0000_0001)
            let first = try client.attach(call("red-1", mac))
            let failure = refusal { _ = try client.attach(call("red-2", mac)) }
            #expect("\(failure as Any)".contains("red-1/0") && "\(failure as Any)".contains("mac"))
            let standard = refusal {
                _ = try client.attach(call("red-2", client.attach(call("red-3", MACAddress(0x0654_0000_0003))).mac))
            }
            #expect("\(standard as Any)".contains("red-3/0"))
            // Again is no other; another interface of one VM may share it.
            #expect(try client.attach(call("red-1", mac)) == first)
            #expect(try client.attach(call("red-1", nic: 1, mac)).mac == mac)
            let names = ["sixteen-bytes-xx", "eth 0", "a/b"]
            for name in names {
                let wrong = AttachCall(
                    application: red, interface: try #require(VMInterface(vm: "red-9", nic: 0)),
                    port: .veth(namespace: try bed.freeSlot().path, name: name))
                let failure = refusal { _ = try client.attach(wrong) }
                #expect("\(failure as Any)".contains("name"), "\(name)")
            }
        }
    }

    private func refusal(_ body: () throws -> Void) -> AgentFailure? {
        do {
            try body()
        } catch AgentCallError.agent(let failure) {
            return failure
        } catch {
            return nil
        }
        return nil
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
