import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes
import Testing

/// Kills, restarts and dirty starts of the real agent.
@Suite(.serialized)
struct LifeCycleTests {
    @Test func anAgentsDeathAndReturnLoseNoPacket() async throws {
        try await TestBed.run("kill") { bed in
            let red = try bed.createApplication("red")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            for address in far.addresses { #expect(near.reaches(address, within: .seconds(5))) }
            let host = bed.cluster.hosts[0]
            let stop = StopFlag()
            async let there = offload { () throws(KitError) in
                near.slot.echoIPv4.stream(to: far.ipv4, every: .milliseconds(5), until: stop)
            }
            async let back = offload { () throws(KitError) in
                far.slot.echoIPv6.stream(to: near.ipv6, every: .milliseconds(5), until: stop)
            }
            try await Task.sleep(for: .milliseconds(300))
            let code = try #require(bed.cluster.agent(host)).kill()
            #expect(code == 137, "128 and the number of SIGKILL")
            try await Task.sleep(for: .milliseconds(300))
            try bed.cluster.startAgent(host)
            try bed.waitUntilBinding(host)
            try await Task.sleep(for: .milliseconds(300))
            stop.raise()
            let results = try await [there, back]
            for result in results {
                #expect(result.sent > 100)
                #expect(result.lost == 0)
            }
            // The binding survived: the same VM again is a repetition, not a new launch.
            #expect(try bed.socket(host).status().boundCount == 1)
            let third = try bed.launch("red-3", of: red, on: 0)
            #expect(third.attachment.sni != near.attachment.sni)
            #expect(third.reaches(far.ipv4, within: .seconds(5)))
        }
    }

    @Test func aStagedLaunchNeedsNoCoordinator() async throws {
        try await TestBed.run("dead") { bed in
            let red = try bed.createApplication("red")
            let far = try bed.launch("red-1", of: red, on: 1)
            _ = try bed.launch("red-2", of: red, on: 0)
            let host = bed.cluster.hosts[0]
            try bed.cluster.waitUntil("a staged identifier is free", timeout: .seconds(10)) { () throws(KitError) in
                try bed.socket(host).status().leases.contains { $0.staged && $0.available > 0 }
            }
            bed.cluster.coordinator?.kill()
            let guest = try bed.launch("red-3", of: red, on: 0)
            #expect(guest.attachment.servedFrom == "staged")
            #expect(guest.reaches(far.ipv4, within: .seconds(5)))
            #expect(guest.reaches(far.ipv6, within: .seconds(5)))
            // The coordinator comes back and learns of it.
            try bed.cluster.startCoordinator()
            for host in bed.cluster.hosts { try bed.waitUntilBinding(host) }
            try bed.cluster.waitUntil("the coordinator knows all VMs", timeout: .seconds(10)) { () throws(KitError) in
                let status = try bed.cluster.control(Totals.self, ["status"])
                return status.bound == 3
            }
        }
    }

    @Test func aSecondAgentInTheNamespaceIsRefusedAndChangesNothing() async throws {
        try await TestBed.run("second", hosts: 1) { bed in
            let host = bed.cluster.hosts[0]
            let result = try Command.attempt(
                [bed.cluster.program("outrider-agent"), "run", "--config", host.configuration],
                namespace: host.namespace)
            #expect(result.status == 75 && result.output.contains("another agent works in"), "\(result.output)")
            #expect(bed.cluster.agent(host)?.isRunning == true)
            #expect(try bed.socket(host).status().mayBind)
        }
    }

    /// What somebody takes away from under the agent is back long before an audit would find it.
    @Test func driftIsNoticedAtOnce() async throws {
        try await TestBed.run("drift", agent: ["reconcile-interval": "1h"]) { bed in
            let red = try bed.createApplication("red")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            #expect(near.reaches(far.ipv4, within: .seconds(5)))
            let host = bed.cluster.hosts[0]
            let overlay = host.overlayNamespace
            let own = try #require(try bed.socket(host).status().leases.first).block
            let edits: [(what: String, program: [String], namespace: String)] = [
                ("a VNI", ["bridge", "vni", "delete", "vni", "\(own.vni.rawValue)", "dev", "outrider"], overlay),
                ("pairs", ["nft", "flush set inet outrider pair4"], overlay),
                ("a table", ["nft", "delete table netdev outrider"], overlay),
                ("the host's ruleset", ["nft", "flush ruleset"], host.namespace),
                ("routes", ["ip", "route", "flush", "root", "10.0.0.0/8", "proto", "83"], overlay),
                ("the device's state", ["ip", "link", "set", "outrider", "down"], overlay),
            ]
            for edit in edits {
                // What was under way before must not be taken for the answer.
                var before: UInt64 = 0
                try bed.cluster.waitUntil("nothing is written", timeout: .seconds(20), every: .seconds(1)) {
                    () throws(KitError) in
                    let writes = try bed.socket(host).status().dataplane?.kernelWrites ?? 0
                    defer { before = writes }
                    return writes == before
                }
                try Command.run(edit.program, namespace: edit.namespace)
                try bed.cluster.waitUntil("\(edit.what) is noticed", timeout: .seconds(10)) { () throws(KitError) in
                    (try bed.socket(host).status().dataplane?.kernelWrites ?? 0) > before
                }
                #expect(near.reaches(far.ipv4, within: .seconds(5)), "after \(edit.what)")
                #expect(try Command.run(["nft", "list", "tables"], namespace: host.namespace).contains("underlay"))
            }
        }
    }

    private struct Totals: Decodable { var bound: Int? }

    @Test func aDirtyNamespaceConverges() async throws {
        try await TestBed.run("dirty") { bed in
            let red = try bed.createApplication("red")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            #expect(near.reaches(far.ipv4, within: .seconds(5)))
            let host = bed.cluster.hosts[0]
            let overlay = host.overlayNamespace
            bed.cluster.agent(host)?.kill()

            let remote = try #require(try bed.socket(bed.cluster.hosts[1]).status().leases.first).block
            let route = "\(OverlayPlan.standard.ipv4Prefix(of: remote))"
            let routes6 = try Command.run(["ip", "-n", overlay, "-6", "route", "show", "proto", "83"])
            try Command.ipBatch(
                [
                    // Somebody else's: any other protocol number.
                    "route add unreachable 10.200.0.0/16 proto static metric 50",
                    // Our own number, unknown to the journal.
                    "route add unreachable 10.201.0.0/16 proto 83 metric 50",
                    // Half of a block's state is gone.
                    "route del \(route) proto 83",
                ], namespace: overlay)
            #expect(!near.reaches(far.ipv4, within: .milliseconds(300)))

            try bed.cluster.startAgent(host)
            try bed.waitUntilBinding(host)
            try bed.cluster.waitUntil("the kernel is as desired", timeout: .seconds(10)) { () throws(KitError) in
                let ours = try Command.run(["ip", "-n", overlay, "route", "show", "proto", "83"])
                return ours.contains(String(route.prefix { $0 != "/" })) && !ours.contains("10.201.0.0/16")
            }
            #expect(near.reaches(far.ipv4, within: .seconds(5)))
            let foreign = try Command.run(["ip", "-n", overlay, "route", "show", "proto", "static"])
            #expect(foreign.contains("10.200.0.0/16"), "a foreign route is left")
            try bed.cluster.waitUntil("the foreign route is reported", timeout: .seconds(5)) { () throws(KitError) in
                try bed.socket(host).status().dataplane?.foreign.contains { $0.contains("10.200.0.0/16") } ?? false
            }
            #expect(try Command.run(["ip", "-n", overlay, "-6", "route", "show", "proto", "83"]) == routes6)

            // Several reconcile intervals later nothing more was written.
            let before = try bed.socket(host).status()
            #expect(before.dataplane?.pending == [])
            try await Task.sleep(for: .seconds(2))
            let after = try bed.socket(host).status()
            #expect(after.dataplane?.kernelWrites == before.dataplane?.kernelWrites)
        }
    }

    @Test func withoutAJournalPortsAreAdoptedAndNothingElse() async throws {
        try await TestBed.run("lost") { bed in
            let red = try bed.createApplication("red")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            #expect(near.reaches(far.ipv4, within: .seconds(5)))
            let host = bed.cluster.hosts[0]
            let overlay = host.overlayNamespace
            bed.cluster.agent(host)?.kill()
            try FileManager.default.removeItem(atPath: host.stateDirectory)
            try FileManager.default.createDirectory(atPath: host.stateDirectory, withIntermediateDirectories: true)
            try Command.ipBatch(["route add unreachable 10.201.0.0/16 proto 83 metric 50"], namespace: overlay)
            try bed.cluster.startAgent(host)
            try bed.cluster.waitUntil("the agent reports recovery", timeout: .seconds(10)) { () throws(KitError) in
                try bed.socket(host).status().recovering
            }
            let slot = try bed.freeSlot()
            #expect(throws: KitError.self) {
                try bed.socket(host).attach(application: red, vm: "red-3", into: slot, timeout: .seconds(1))
            }
            try await Task.sleep(for: .seconds(1))
            #expect(near.reaches(far.ipv4, within: .seconds(5)), "a running VM goes on")
            let ours = try Command.run(["ip", "-n", overlay, "route", "show", "proto", "83"])
            #expect(ours.contains("10.201.0.0/16"), "nothing is deleted without a journal")
            #expect(ours.contains("\(near.attachment.addressing.ipv4)"))
        }
    }

    @Test func teardownLeavesNothing() async throws {
        try await TestBed.run("down") { bed in
            let red = try bed.createApplication("red")
            _ = try bed.launch("red-1", of: red, on: 0)
            _ = try bed.launch("red-2", of: red, on: 1)
            #expect(throws: KitError.self, "refused under attached VMs") { try bed.cluster.tearDownOverlays() }
            try bed.cluster.tearDownOverlays(force: true)
            #expect(try bed.cluster.leftovers() == [])
        }
    }
}
