import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes
import Testing

/// Ports that the agent makes as a tap, and ports that appear later and are handed over.
@Suite(.serialized)
struct PlugTests {
    private func client(_ bed: TestBed) throws -> AgentClient {
        try AgentClient(path: bed.cluster.hosts[0].socket)
    }

    private func failure(_ body: () throws -> Void) -> AgentFailure? {
        do {
            try body()
        } catch AgentCallError.agent(let failure) {
            return failure
        } catch {
            return nil
        }
        return nil
    }

    @Test func aTapMadeElsewhereIsPluggedAndWrongOnesAreNamed() async throws {
        try await TestBed.run("plug", hosts: 1) { bed in
            let red = try bed.createApplication("red")
            let host = bed.cluster.hosts[0]
            var client = try client(bed)
            let interface = try #require(VMInterface(vm: "red-1", nic: 0))
            let attachment = try client.attach(AttachCall(application: red, interface: interface, port: .later))

            let missing = failure { _ = try client.plug(PlugCall(interface: interface, port: "vnet9")) }
            guard case .portFailed("no-such-port", let subject, _)? = missing else {
                Issue.record("\(missing as Any)")
                return
            }
            #expect(subject.contains("vnet9"))

            // A tap that carries the mark of another VM is not taken over.
            try Command.run(["ip", "-n", host.namespace, "tuntap", "add", "vnet0", "mode", "tap"])
            let mark = "outrider other-vm/0 \(red) 06:4f:52:00:00:09"
            try Command.run(["ip", "-n", host.namespace, "link", "set", "vnet0", "alias", mark])
            let foreign = failure { _ = try client.plug(PlugCall(interface: interface, port: "vnet0")) }
            guard case .portFailed("belongs-to-another", _, let owner)? = foreign else {
                Issue.record("\(foreign as Any)")
                return
            }
            #expect(owner == "other-vm/0")

            try Command.run(["ip", "-n", host.namespace, "link", "set", "vnet0", "alias", ""])
            let plugged = try client.plug(PlugCall(interface: interface, port: "vnet0"))
            #expect(plugged == attachment)
            let links = try Command.run(["ip", "-n", host.overlayNamespace, "-br", "link", "show"])
            #expect(links.contains(attachment.port))
            #expect(!(try Command.run(["ip", "-n", host.namespace, "-br", "link", "show"])).contains("vnet0"))

            try client.detach(DetachCall(interface: interface))
            #expect(!(try Command.run(["ip", "-n", host.overlayNamespace, "-br", "link"])).contains(attachment.port))
            // Detach always succeeds, also of what was never attached.
            try client.detach(DetachCall(interface: interface))
        }
    }

    @Test func aTapBelongsToTheUserWhoWasNamed() async throws {
        try await TestBed.run("tap", hosts: 1) { bed in
            let red = try bed.createApplication("red")
            var client = try client(bed)
            let interface = try #require(VMInterface(vm: "red-1", nic: 0))
            let attachment = try client.attach(
                AttachCall(application: red, interface: interface, port: .tap(uid: 65534, gid: 65534)))
            let overlay = bed.cluster.hosts[0].overlayNamespace
            let shown = try Command.run(["ip", "-n", overlay, "-d", "-o", "link", "show", attachment.port])
            #expect(shown.contains("tun type tap"))
            #expect(shown.contains("user nobody") && shown.contains("group nogroup"), "\(shown)")
        }
    }

    @Test func aTakenTunnelPortEndsTheAgentWithItsOwnCode() async throws {
        try await TestBed.run("taken", hosts: 1) { bed in
            let host = bed.cluster.hosts[0]
            bed.cluster.agent(host)?.kill()
            try bed.cluster.tearDownOverlays(force: true)
            try Command.run([
                "ip", "-n", host.namespace, "link", "add", "other", "type", "vxlan", "id", "7", "dstport", "4789",
                "local", host.vtep.description,
            ])
            try Command.run(["ip", "-n", host.namespace, "link", "set", "other", "up"])
            try bed.cluster.createOverlayNamespace(host)
            let agent = try ChildProcess(
                [bed.cluster.program("outrider-agent"), "run", "--config", host.configuration],
                namespace: host.namespace, output: host.log)
            let code = try agent.wait(timeout: .seconds(20))
            #expect(code == 73, "\(agent.outputText)")
            #expect(agent.outputText.contains("4789") && agent.outputText.contains("vxlan-port"))
        }
    }
}
