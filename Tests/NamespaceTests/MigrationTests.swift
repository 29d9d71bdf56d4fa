import Foundation
import NamespaceKit
import NetworkTypes
import Testing

/// Migrations with the real programs and real packets: the address stays, and whoever talks to the VM meets it at one
/// host at a time.
@Suite(.serialized)
struct MigrationTests {
    /// Reconciliation finds a first frame as well, later: what is to be seen here must not need it.
    private static let never = "1h"

    /// What a port saw of each talker, by the stream that it belongs to.
    private struct Stream: Hashable {
        var source: PeerAddress
        var identifier: Int
    }

    /// Every stream met the VM first at its source, then at its destination, and no probe met it twice.
    static func check(_ before: [PortSniffer.Request], _ after: [PortSniffer.Request], streams: Int) {
        let old = Dictionary(grouping: before) { Stream(source: $0.source, identifier: $0.identifier) }
        let new = Dictionary(grouping: after) { Stream(source: $0.source, identifier: $0.identifier) }
        #expect(old.count == streams && new.count == streams, "\(old.count) and \(new.count) streams were seen")
        for (stream, requests) in old {
            let here = requests.map(\.sequence)
            let there = (new[stream] ?? []).map(\.sequence)
            #expect(Set(here).isDisjoint(with: there), "\(stream.source)")
            #expect((here.max() ?? .max) < (there.min() ?? .min), "\(stream.source)")
        }
    }

    private func expectNothingLost(_ streams: [PingStatistics], _ when: String) {
        for stream in streams {
            #expect(stream.sent > 50, "\(when)")
            #expect(stream.lost == 0 && stream.repeated == 0, "\(when): \(stream)")
        }
    }

    /// - Parameter pauses: whether the source's guest has stopped, as it has after every migration of a hypervisor. One that
    ///   runs on is a broken hypervisor's; nobody may reach it either, once the other has spoken.
    @Test(arguments: [(Underlay.Endpoints.ipv4, true), (.ipv6, true), (.ipv4, false)])
    func aVMIsReachedAtOneHostAtATime(_ endpoints: Underlay.Endpoints, pauses: Bool) async throws {
        try await TestBed.run(
            "move\(endpoints.rawValue.suffix(1))\(pauses ? "p" : "r")", hosts: 3, endpoints: endpoints,
            agent: ["reconcile-interval": Self.never]
        ) { bed in
            let journey = try Journey(bed)
            #expect(try journey.traces(at: journey.source) == ["port", "route to port", "ingress"])
            expectNothingLost(
                try await journey.underPings {
                    try journey.prepare()
                    try await Task.sleep(for: .milliseconds(500))
                }, "a prepared migration changes nothing")
            #expect(try journey.migration()?.phase == "MIGRATION_PHASE_PREPARING", "a silent guest has not arrived")
            #expect(try journey.traces(at: journey.destination) == ["port"], "closed")

            let old = try PortSniffer(journey.port, in: journey.source.overlayNamespace)
            let new = try PortSniffer(journey.port, in: journey.destination.overlayNamespace)
            let streams = try await journey.underPings {
                try await Task.sleep(for: .milliseconds(200))
                if pauses { try journey.pauseSource() }
                try journey.announce()
                try journey.resume()
                try journey.wait(until: "all have followed") { $0?.phase == "MIGRATION_PHASE_DROPPED" }
                try await Task.sleep(for: .milliseconds(200))
            }
            Self.check(try old.stop(), try new.stop(), streams: streams.count)
            for stream in streams {
                #expect(stream.repeated == 0 && stream.received > 50)
                print("migration, pauses \(pauses): of \(stream.sent) \(stream.lost) lost, gap \(stream.longestGap)")
            }
            expectNothingLost(
                try await journey.underPings { try await Task.sleep(for: .milliseconds(300)) }, "it runs there")
            #expect(try journey.traces(at: journey.source) == ["route elsewhere"])
            #expect(try journey.traces(at: journey.destination) == ["port", "route to port", "ingress"])
            #expect(try journey.traces(at: bed.cluster.hosts[2]) == ["route elsewhere"])

            // The VM ends, and its identifier is its block's again: no host has a way of its own to it.
            try journey.detach(at: journey.destination)
            try journey.wait(until: "the identifier is home") { $0 == nil }
            for host in bed.cluster.hosts {
                try bed.cluster.waitUntil("\(host.name) has forgotten it", timeout: .seconds(10)) {
                    (try? journey.traces(at: host)) == []
                }
            }
        }
    }

    @Test func anAbortedMigrationLeavesTheVMWhereItIs() async throws {
        try await TestBed.run("abort", hosts: 3, agent: ["reconcile-interval": Self.never]) { bed in
            let journey = try Journey(bed)
            expectNothingLost(
                try await journey.underPings {
                    try journey.prepare()
                    try await Task.sleep(for: .milliseconds(200))
                    try journey.abort()
                    try journey.wait(until: "the migration is over") { $0 == nil }
                    try await Task.sleep(for: .milliseconds(200))
                }, "the VM has stayed")
            #expect(try journey.traces(at: journey.source) == ["port", "route to port", "ingress"])
            for host in bed.cluster.hosts.dropFirst() { #expect(try journey.traces(at: host) == []) }
            let left = try Command.run(["ip", "-n", journey.arrival.name, "-br", "link"])
            #expect(!left.contains("eth0"), "the destination's port is gone with it")
        }
    }

    /// The source's hypervisor has cleared up, the destination's agent is dead, and only then the guest speaks, once.
    @Test func aFirstFrameBeforeAnybodyListensCounts() async throws {
        try await TestBed.run("early", hosts: 3, agent: ["reconcile-interval": Self.never]) { bed in
            let journey = try Journey(bed)
            try journey.prepare()
            bed.cluster.agent(journey.destination)?.kill()
            try journey.pauseSource()
            try journey.announce()
            try journey.detach(at: journey.source)
            #expect(try journey.migration()?.phase == "MIGRATION_PHASE_PREPARING")
            try bed.cluster.startAgent(journey.destination)
            try journey.wait(until: "all have followed") { $0?.phase == "MIGRATION_PHASE_DROPPED" }
            try journey.resume()
            for talker in journey.talkers {
                for address in journey.traveller.addresses {
                    #expect(talker.reaches(address, within: .seconds(10)), "\(talker.name) \(address)")
                }
            }
            #expect(try journey.traces(at: journey.source) == ["route elsewhere"])
        }
    }
}
