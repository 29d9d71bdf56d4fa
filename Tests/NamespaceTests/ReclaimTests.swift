import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes
import Testing

/// Reclamation through the real programs, the real handshake and real kernels.
@Suite(.serialized)
struct ReclaimTests {
    /// Nothing is given back by itself, and a silent host counts as unreachable after a second.
    private static let byHand = [
        "standard-lifetime": "1h", "unreachable-after": "1s", "drain-timeout": "1s", "cooldown": "1s",
        "quarantine": "1s",
    ]

    /// The mark outlives the rest of an identifier.
    private static let patient = byHand.merging(["cooldown": "4s", "drain-timeout": "30s"]) { $1 }

    private struct Answer: Decodable {
        struct Item: Decodable {
            var accepted: Bool?
            var refusal: String?
            var users: [String]?
            var host: String?
        }
        var items: [Item]?
    }

    private struct Reclaimed: Decodable {
        struct Entry: Decodable {
            struct Block: Decodable {
                var first: UInt32
                var size: Int
            }
            var cursor: String
            var block: Block
            var host: String?
            var reason: String?
        }
        var entries: [Entry]?
    }

    private struct Totals: Decodable {
        var reserved: Int?
        var leasedIdle: Int?
        var bound: Int?
        var reclaiming: Int?
        var quarantined: Int?
    }

    private func reclaim(_ bed: TestBed, _ arguments: [String]) throws(KitError) -> (
        status: Int32, items: [Answer.Item]
    ) {
        let result = try bed.cluster.control(["reclaim"] + arguments + ["--output", "json"])
        let line = result.output.split(separator: "\n").first { $0.hasPrefix("{") }
        guard let line, let answer = try? JSONDecoder().decode(Answer.self, from: Data(line.utf8)) else {
            throw .unexpected("reclaim: \(result.output)")
        }
        return (result.status, answer.items ?? [])
    }

    private func reclaimed(_ bed: TestBed) throws(KitError) -> [Reclaimed.Entry] {
        try bed.cluster.control(Reclaimed.self, ["reclaimed"]).entries ?? []
    }

    private func range(_ block: SNIBlock) -> String { "\(block.first.rawValue)-\(block.last.rawValue)" }

    private func lease(_ bed: TestBed, _ host: Int, around sni: SessionNetworkID) throws(KitError)
        -> AgentStatusReport.Lease?
    {
        try bed.socket(bed.cluster.hosts[host]).status().leases.first { $0.block.contains(sni) }
    }

    private func expectClean(_ bed: TestBed) async throws {
        let findings = try await Daemons(cluster: bed.cluster).settledFindings()
        #expect(findings == [])
    }

    private func waitUntilGone(_ block: SNIBlock, _ bed: TestBed, timeout: Duration = .seconds(15)) throws {
        try bed.cluster.waitUntil("\(block) is free", timeout: timeout) { () throws(KitError) in
            try reclaimed(bed).contains { $0.block.first == block.first.rawValue }
        }
        for host in bed.cluster.hosts {
            let view = try KernelView(block, on: host)
            #expect(view.isEmpty, "\(host.name): \(view)")
        }
    }

    @Test func anIdleBlockLeavesEveryKernelAndIsFree() async throws {
        try await TestBed.run("idle", hosts: 3, coordinator: Self.byHand) { bed in
            let red = try bed.createApplication("red", mode: "observe")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            _ = try bed.launch("red-3", of: red, on: 2)
            #expect(near.reaches(far.ipv4, within: .seconds(5)))
            let block = try #require(try lease(bed, 0, around: near.attachment.sni)).block
            for host in bed.cluster.hosts.dropFirst() { #expect(try KernelView(block, on: host).carries) }

            // A user stands in the way, and is named.
            let used = try reclaim(bed, ["range", range(block), "--reason", "test"])
            #expect(used.status == 1)
            #expect(used.items.map(\.users) == [["red-1/0"]] && used.items.first?.accepted != true)
            #expect(near.reaches(far.ipv4, within: .seconds(5)))
            try bed.socket(bed.cluster.hosts[0]).detach(vm: near.name)
            try bed.cluster.waitUntil("the coordinator knows", timeout: .seconds(10)) { () throws(KitError) in
                try Lease.list(bed).first { $0.first == block.first.rawValue }?.bound ?? 0 == 0
            }
            // Told, and not done.
            let told = try reclaim(bed, ["range", range(block), "--reason", "test", "--dry-run"])
            #expect(told.status == 0 && told.items.map(\.accepted) == [true])
            #expect(try lease(bed, 0, around: block.first)?.marked == false)
            #expect(try reclaimed(bed).isEmpty)

            #expect(try reclaim(bed, ["range", range(block), "--reason", "nobody needs it"]).status == 0)
            try bed.cluster.waitUntil("it is in quarantine", timeout: .seconds(10), every: .milliseconds(20)) {
                () throws(KitError) in
                try bed.cluster.control(Totals.self, ["status"]).quarantined ?? 0 == block.size
            }
            for host in bed.cluster.hosts { #expect(try KernelView(block, on: host).isEmpty) }
            // Past the point of no return a launch finds another block.
            let next = try bed.launch("red-4", of: red, on: 0)
            #expect(!block.contains(next.attachment.sni) && next.reaches(far.ipv4, within: .seconds(5)))
            try waitUntilGone(block, bed)
            let entries = try reclaimed(bed)
            #expect(entries.map(\.block.size) == [block.size] && entries.map(\.host) == ["h1"])
            #expect(entries.first?.reason?.contains("nobody needs it") == true)
            #expect(bed.cluster.coordinator?.outputText.contains("1 of 1 blocks: nobody needs it") == true)
            try await expectClean(bed)
        }
    }

    /// What nobody asks for any more is given back without anybody's order.
    @Test func idleRulesGiveBlocksBack() async throws {
        try await TestBed.run("rules", coordinator: ["quarantine": "200ms"]) { bed in
            let red = try bed.createApplication("red", mode: "observe")
            let near = try bed.launch("red-1", of: red, on: 0)
            _ = try bed.launch("red-2", of: red, on: 1)
            let block = try #require(try lease(bed, 0, around: near.attachment.sni)).block
            try bed.socket(bed.cluster.hosts[0]).detach(vm: near.name)
            try waitUntilGone(block, bed, timeout: .seconds(20))
            try await expectClean(bed)
        }
    }

    /// An identifier that rests keeps its block from draining; a launch that comes meanwhile keeps the block.
    @Test func aLateLaunchWins() async throws {
        try await TestBed.run("late", coordinator: Self.patient) { bed in
            let host = bed.cluster.hosts[0]
            let red = try bed.createApplication("red", mode: "observe")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            let block = try #require(try lease(bed, 0, around: near.attachment.sni)).block
            try bed.socket(host).detach(vm: near.name)
            try bed.cluster.waitUntil("the mark is there", timeout: .seconds(3)) { () throws(KitError) in
                // Refused while the coordinator has not heard of the detach.
                _ = try reclaim(bed, ["range", range(block), "--reason", "test"])
                return try lease(bed, 0, around: block.first)?.marked ?? false
            }
            let marked = try #require(try lease(bed, 0, around: block.first))
            #expect(!marked.drained && marked.cooling == 1)
            let late = try bed.launch("red-3", of: red, on: 0)
            #expect(block.contains(late.attachment.sni), "the launch is of the marked block")
            try bed.cluster.waitUntil("the mark is taken back", timeout: .seconds(10)) { () throws(KitError) in
                guard let now = try lease(bed, 0, around: block.first) else { return false }
                return !now.marked && now.epoch > marked.epoch
            }
            #expect(late.reaches(far.ipv4, within: .seconds(5)))
            #expect(try KernelView(block, on: bed.cluster.hosts[1]).carries)
            #expect(try reclaimed(bed).isEmpty)
            try await expectClean(bed)
        }
    }

    private func cut(_ bed: TestBed, host: Int, _ state: String) throws {
        try Command.run(["ip", "-n", bed.cluster.underlay.switchNamespace, "link", "set", "p\(host)", state])
    }

    private func waitUntilReported(_ bed: TestBed, _ text: String) throws {
        try bed.cluster.waitUntil("the coordinator says '\(text)'", timeout: .seconds(20)) {
            bed.cluster.coordinator?.outputText.contains(text) ?? false
        }
    }

    /// Silence is no proof: a host that nobody hears keeps what it leases, forced or not, until it answers.
    @Test func nothingOfAPartitionedHostIsReclaimed() async throws {
        try await TestBed.run("cut", coordinator: Self.byHand) { bed in
            let red = try bed.createApplication("red", mode: "observe")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            let block = try #require(try lease(bed, 0, around: near.attachment.sni)).block
            try bed.socket(bed.cluster.hosts[0]).detach(vm: near.name)
            try bed.cluster.waitUntil("the coordinator knows", timeout: .seconds(10)) { () throws(KitError) in
                try Lease.list(bed).first { $0.first == block.first.rawValue }?.bound ?? 0 == 0
            }
            try cut(bed, host: 0, "down")
            // Before and after the silence is noticed.
            _ = try reclaim(bed, ["range", range(block), "--reason", "test"])
            try waitUntilReported(bed, "host h1 is silent")
            _ = try reclaim(bed, ["range", range(block), "--reason", "test", "--force"])
            try await Task.sleep(for: .seconds(3))
            #expect(try reclaimed(bed).isEmpty)
            let kept = try #require(try Lease.list(bed).first { $0.first == block.first.rawValue })
            #expect(kept.host == "h1" && kept.state?.contains("QUARANTINED") == false)
            #expect(try KernelView(block, on: bed.cluster.hosts[1]).carries, "peers still send there")
            #expect(try KernelView(block, on: bed.cluster.hosts[0]).hasVNI)
            // It still serves from what it leases.
            let alone = try bed.launch("red-3", of: red, on: 0)
            #expect(block.contains(alone.attachment.sni))

            try cut(bed, host: 0, "up")
            try bed.waitUntilBinding(bed.cluster.hosts[0])
            #expect(alone.reaches(far.ipv4, within: .seconds(10)))
            try await expectClean(bed)
            // And gives it back when asked again, once it can be heard.
            try bed.socket(bed.cluster.hosts[0]).detach(vm: alone.name)
            try bed.cluster.waitUntil("it is given back", timeout: .seconds(20), every: .milliseconds(200)) {
                () throws(KitError) in
                _ = try reclaim(bed, ["range", range(block), "--reason", "test"])
                return try reclaimed(bed).count == 1
            }
            try waitUntilGone(block, bed)
            try await expectClean(bed)
        }
    }

    @Test func aDeadHostsBlocksComeBackByFencing() async throws {
        try await TestBed.run("fence", coordinator: Self.byHand) { bed in
            let host = bed.cluster.hosts[0]
            let red = try bed.createApplication("red", mode: "observe")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            let block = try #require(try lease(bed, 0, around: near.attachment.sni)).block
            let fence = ["host", "fence", "h1", "--reason", "burnt", "--powered-off"]
            #expect(try bed.cluster.control(fence).status != 0, "it reports")
            bed.cluster.agent(host)?.kill()
            try cut(bed, host: 0, "down")
            try bed.cluster.waitUntil("it may be fenced", timeout: .seconds(20), every: .milliseconds(200)) {
                () throws(KitError) in try bed.cluster.control(fence).status == 0
            }
            try bed.cluster.waitUntil("its block is free", timeout: .seconds(20)) { () throws(KitError) in
                try reclaimed(bed).contains { $0.block.first == block.first.rawValue }
            }
            #expect(try KernelView(block, on: bed.cluster.hosts[1]).isEmpty)
            #expect(!far.reaches(near.ipv4, within: .milliseconds(300)))
            // It was not dead: it gives up what it held before it joins again.
            try cut(bed, host: 0, "up")
            try bed.cluster.startAgent(host)
            try waitUntilReported(bed, "host h1 gave up all that it held")
            try bed.waitUntilBinding(host)
            #expect(try KernelView(block, on: host).isEmpty)
            let fresh = try bed.launch("red-3", of: red, on: 0)
            #expect(fresh.reaches(far.ipv4, within: .seconds(5)))
            try await expectClean(bed)
        }
    }

    @Test func byForceVMsLoseTheirNetworkFirst() async throws {
        try await TestBed.run("force", coordinator: Self.patient) { bed in
            let host = bed.cluster.hosts[0]
            let red = try bed.createApplication("red", mode: "observe")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            #expect(near.reaches(far.ipv4, within: .seconds(5)))
            let block = try #require(try lease(bed, 0, around: near.attachment.sni)).block
            try bed.cluster.waitUntil("its VM is known", timeout: .seconds(10)) { () throws(KitError) in
                try Lease.list(bed).first { $0.first == block.first.rawValue }?.bound == 1
            }
            let all = try reclaim(bed, ["host", "h1", "--reason", "test", "--dry-run"])
            #expect(all.status == 0 && all.items.map(\.users) == [["red-1/0"]])
            #expect(try reclaim(bed, ["host", "h1", "--reason", "test", "--force"]).status == 0)
            try waitUntilGone(block, bed)
            #expect(!far.reaches(near.ipv4, within: .milliseconds(300)))
            #expect(try bed.socket(host).status().boundCount == 0)
            #expect(try bed.cluster.control(["reclaim", "host", "h1"]).status == 64, "a reason is required")
            try await expectClean(bed)
        }
    }
}
