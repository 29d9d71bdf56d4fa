import AgentCore
import Dataplane
import FleetProtocol
import NetworkTypes
import Testing

/// The change of this host's tunnel endpoint, seen by its agent, and that of a peer's.
@Suite struct EndpointTests {
    private static let old = IPAddress.v4(IPv4Address(0x0A00_0063))

    @Test func theFormerEndpointIsInUseUntilTheCoordinatorSaysSo() {
        var rig = Rig(former: Self.old)
        rig.start()
        rig.connect()
        #expect(rig.hellos.last?.vtep == Rig.vtep && rig.hellos.last?.former == Self.old)
        rig.snapshot(1, [Rig.lease(0x1000)])
        #expect(rig.endpoint == nil)
        // Still so after another stream, and after a restart.
        rig.connect()
        #expect(rig.hellos.last?.former == Self.old)
        rig.crash()
        rig.settle()
        rig.connect()
        #expect(rig.hellos.last?.former == Self.old)
        rig.snapshot(2, [Rig.lease(0x1000)])
        rig.submitDelta(3, [.switchEndpoint(Rig.vtep)])
        rig.stepJournal()
        #expect(rig.acknowledgements.last == Rig.position(2))
        rig.settle()
        #expect(rig.endpoint == Rig.vtep && rig.acknowledgements.last == Rig.position(3))
        rig.connect()
        #expect(rig.hellos.last?.former == nil)
        #expect(rig.problems.isEmpty, "\(rig.problems)")
    }

    @Test func aSwitchThatTheKernelDidNotTakeIsNotAcknowledged() {
        var rig = Rig(former: Self.old)
        rig.start()
        rig.connect()
        rig.nextDataplaneFailure = "busy"
        rig.snapshot(1, [Rig.lease(0x1000), .switchEndpoint(Rig.vtep)])
        #expect(rig.acknowledgements.isEmpty)
        rig.connect()
        #expect(rig.hellos.last?.former == Self.old, "it may still be sent from")
        rig.snapshot(2, [Rig.lease(0x1000), .switchEndpoint(Rig.vtep)])
        rig.advance(.seconds(1))
        rig.settle()
        #expect(rig.acknowledgements.last == Rig.position(2) && rig.endpoint == Rig.vtep)
        rig.connect()
        #expect(rig.hellos.last?.former == nil)
    }

    @Test(arguments: [false, true]) func aPeersFormerEndpointSurvivesTheJournal(throughCheckpoint: Bool) throws {
        let remote = RemoteBlock(
            block: Rig.block(0x2000), application: Rig.appA, epoch: Epoch(1), host: HostID("h2").unsafelyKnown,
            vtep: .v4(IPv4Address(0x0A00_0002)), standby: true, former: .v6(IPv6Address(high: 7, low: 9)))
        var rig = Rig(recordsPerCheckpoint: throughCheckpoint ? 1 : 8192)
        rig.start()
        rig.connect()
        rig.snapshot(1, [Rig.lease(0x1000), .setRemote(remote)])
        rig.crash()
        rig.settle()
        rig.connect()
        rig.settle()
        #expect(rig.problems.isEmpty, "\(rig.problems)")
        #expect(rig.formers == [remote.block: try #require(remote.former)] && rig.standbyRoutes == [remote.block])
    }
}
