import AgentCore
import FleetProtocol
import NetworkTypes
import Testing

/// Echoes to peers' tunnel endpoints: who is asked, and what their silence means.
@Suite struct EchoTests {
    private static let peers = (2...3).map { IPAddress.v4(IPv4Address(0x0A00_0000 + $0)) }

    private static func remote(_ first: UInt32, _ vtep: IPAddress, former: IPAddress? = nil) -> StateOperation {
        .setRemote(
            RemoteBlock(
                block: Rig.block(first), application: Rig.appA, epoch: Epoch(1), host: HostID("h2").unsafelyKnown,
                vtep: vtep, former: former))
    }

    /// Two blocks of one peer and one of another, the first round under way.
    private static func ready() -> Rig {
        var rig = Rig(echoInterval: .seconds(10))
        rig.start()
        rig.connect()
        rig.snapshot(
            1,
            [Rig.lease(0x1000), remote(0x2000, peers[0]), remote(0x3000, peers[1]), remote(0x4000, peers[1])])
        rig.feed(.hostReport(HostReport(routes: 7)))
        rig.advance(.seconds(10))
        return rig
    }

    /// One round in which these answer.
    private static func round(_ rig: inout Rig, full: [IPAddress], short: [IPAddress] = []) throws {
        let round = try #require(rig.echoes.last).round
        for vtep in full { rig.feed(.echoAnswered(vtep, round: round, isFull: true)) }
        for vtep in short { rig.feed(.echoAnswered(vtep, round: round, isFull: false)) }
        rig.advance(.seconds(10))
    }

    private static func reports(_ rig: Rig) -> [HostReport] {
        rig.sent.compactMap { if case .hostReport(let report) = $0 { report } else { nil } }
    }

    @Test func everyEndpointIsAskedOnceARound() throws {
        var rig = Self.ready()
        #expect(rig.echoes.last?.targets == Self.peers)
        let rounds = rig.echoes.count
        rig.advance(.seconds(9))
        #expect(rig.echoes.count == rounds)
        rig.advance(.seconds(1))
        #expect(rig.echoes.count == rounds + 1)
        #expect(Set(rig.echoes.map(\.round)).count == rig.echoes.count)
        rig.delta(2, [.dropEndpoint(Self.peers[0])])
        rig.advance(.seconds(10))
        #expect(rig.echoes.last?.targets == [Self.peers[1]], "nothing goes to a dropped endpoint")
        rig.delta(3, [Self.remote(0x3000, Self.peers[1], former: Self.peers[0])])
        rig.delta(4, [Self.remote(0x4000, Self.peers[1], former: Self.peers[0])])
        let before = rig.echoes.count
        rig.advance(.seconds(10))
        #expect(rig.echoes.count == before, "who is about to change answers later")
    }

    @Test func threeRoundsOfSilenceAreReportedAndOneAnswerEndsThem() throws {
        var rig = Self.ready()
        try Self.round(&rig, full: Self.peers)
        for _ in 0..<2 { try Self.round(&rig, full: [Self.peers[0]]) }
        #expect(!rig.notices.contains(.pathSilent(Self.peers[1])), "packets get lost")
        try Self.round(&rig, full: [Self.peers[0]])
        #expect(rig.notices.contains(.pathSilent(Self.peers[1])))
        let report = try #require(Self.reports(rig).last)
        #expect(report.paths == 2 && report.silentPaths == [Self.peers[1]] && report.routes == 7)
        #expect(report.pending.contains { $0.contains("\(Self.peers[1])") })
        #expect(rig.status?.host?.silentPaths == [Self.peers[1]])
        // An answer that comes a round too late says nothing of now.
        let late = try #require(rig.echoes.dropLast().last).round
        rig.feed(.echoAnswered(Self.peers[1], round: late, isFull: true))
        #expect(Self.reports(rig).last?.silentPaths == [Self.peers[1]])
        try Self.round(&rig, full: Self.peers)
        #expect(Self.reports(rig).last?.silentPaths == [] && Self.reports(rig).last?.pending == [])
        #expect(rig.notices.contains(.pathAnswers(Self.peers[1])))
    }

    @Test func whoAnswersShortEchoesOnlyIsBehindANarrowPath() throws {
        var rig = Self.ready()
        for _ in 0..<4 { try Self.round(&rig, full: [Self.peers[0]], short: [Self.peers[1]]) }
        #expect(rig.notices.contains(.pathNarrow(Self.peers[1])) && !rig.notices.contains(.pathSilent(Self.peers[1])))
        let report = try #require(Self.reports(rig).last)
        #expect(report.silentPaths == [Self.peers[1]] && report.pending.contains { $0.contains("MTU") })
    }

    @Test func aPeerThatIsNoneAnyMoreIsForgotten() throws {
        var rig = Self.ready()
        for _ in 0..<4 { try Self.round(&rig, full: [Self.peers[0]]) }
        #expect(Self.reports(rig).last?.silentPaths == [Self.peers[1]])
        rig.delta(2, [.removeRemote(Rig.block(0x3000), Epoch(1)), .removeRemote(Rig.block(0x4000), Epoch(1))])
        rig.advance(.seconds(10))
        #expect(Self.reports(rig).last?.silentPaths == [] && Self.reports(rig).last?.paths == 1)
    }
}
