import ControlAPI
import ControlAPIMapping
import CoordinatorCore
import FleetMapping
import FleetProtocol
import NetworkTypes
import SwiftProtobuf
import Testing

/// What both sides say survives its bytes.
@Suite struct MappingTests {
    private static let position = Position(generation: 2, term: 3, revision: 9)
    private static let application = ApplicationID(UUID128(high: 0xA, low: 1))

    private static func identity() throws -> AgentIdentity {
        AgentIdentity(
            host: try #require(HostID("h1")), incarnation: Incarnation(UUID128(high: 1, low: 1)),
            boot: BootID(UUID128(high: 2, low: 1)))
    }

    private static func block(_ first: UInt32, _ size: Int) throws -> SNIBlock {
        try #require(SNIBlock(first: SessionNetworkID(unchecked: first), size: size))
    }

    private func survives(_ message: CoordinatorMessage) throws {
        let bytes: [UInt8] = try Outrider_V1_CoordinatorMessage(message, at: Self.position).serializedBytes()
        let read = try Outrider_V1_CoordinatorMessage(serializedBytes: bytes)
        #expect(try read.value() == message && read.position.value == Self.position)
    }

    @Test func stopsAndUpdatesOfEveryKind() throws {
        let grant = BootGrant(
            identity: try Self.identity(), bindUntil: .seconds(86_400), overlay: .standard, overlayMTU: 1450,
            vxlanPort: 4789, cooldown: .seconds(60), aggregateInterval: .seconds(10))
        try survives(.bootGrant(grant))
        try survives(.bindingStop(grant, code: "frozen", reason: "two machines"))
        let vm = try #require(VMInterface(vm: "a/b", nic: 3))
        let host = try #require(HostID("h2"))
        let single = try Self.block(0x1001, 1)
        var operations: [StateOperation] = [
            .dropEndpoint(.v4(IPv4Address(0x0A00_0001))), .admitEndpoint(.v4(IPv4Address(0x0A00_0002))),
            .setLease(
                LeaseOrder(
                    block: single, application: Self.application, epoch: Epoch(5), staged: true, marked: true,
                    force: true, incoming: vm)),
            .setLease(LeaseOrder(block: try Self.block(0x2000, 16), application: Self.application, epoch: Epoch(6))),
            .setRemote(
                RemoteBlock(
                    block: single, application: Self.application, epoch: Epoch(5), host: host,
                    vtep: .v4(IPv4Address(7)),
                    standby: true)),
            .removeDeparture(single.first, Epoch(8)),
        ]
        for phase in Departure.Phase.allCases {
            operations.append(
                .setDeparture(
                    Departure(sni: single.first, interface: vm, epoch: Epoch(5), destination: host, phase: phase)))
        }
        for withdraw in [false, true] {
            try survives(
                .stateUpdate(
                    StateUpdate(isSnapshot: true, baseRevision: 0, operations: operations, withdraw: withdraw)))
        }
    }

    @Test func aggregatesWithEverythingAndWithNothing() throws {
        let pair = PeerTraffic(
            source: SessionNetworkID(unchecked: 0x1001), destination: SessionNetworkID(unchecked: 0x2001), bytes: 1,
            packets: 2, missedBytesMax: 3)
        let full = ApplicationAggregate(
            application: Self.application, vms: 1, peakVMs: 2, cooling: 3, launches: 4, stops: 5, misses: 6,
            waited: .milliseconds(7),
            traffic: TrafficCounters(
                receivedBytes: 8, sentBytes: 9, receivedPackets: 10, sentPackets: 11, droppedPackets: 12),
            tunnel: TunnelCounters(receivedBytes: 13, receivedPackets: 14, refusedPackets: 15),
            cpu: .milliseconds(16), memory: 17, memoryVMs: 18,
            peers: PeerTable(pairs: [pair], bytes: 19, absentBytesMax: 1),
            gaps: TelemetryGaps(unread: 20, unbased: 21, reset: 22, late: 23),
            observed: ObservedAggregate(
                vms: 24, peakVMs: 25, launches: 26, stops: 27, interfaces: 28,
                traffic: TrafficCounters(
                    receivedBytes: 29, sentBytes: 30, receivedPackets: 31, sentPackets: 32, droppedPackets: 33),
                cpu: .milliseconds(34), memory: 35, memoryVMs: 36, gaps: TelemetryGaps(late: 37)))
        let silent = ApplicationAggregate(
            application: Self.application, vms: 0, peakVMs: 0, cooling: 0, launches: 0, stops: 0, misses: 0,
            waited: .zero, traffic: TrafficCounters(), tunnel: TunnelCounters(), cpu: .zero, memory: 0,
            peers: PeerTable(), observed: ObservedAggregate(vms: 0, peakVMs: 0))
        // Read and 0 is not the same as not read.
        let unread = ApplicationAggregate(
            application: Self.application, vms: 0, peakVMs: 0, cooling: 0, launches: 0, stops: 0, misses: 0,
            waited: .zero, traffic: nil)
        let batches = [
            Aggregates(
                sequence: 9, interval: .seconds(40), endedAt: Instant(nanoseconds: 5_000_000_000),
                applications: [full, silent, unread], folded: 4, lost: 2, unattributedPackets: 0),
            Aggregates(
                sequence: 10, interval: .seconds(10), endedAt: Instant(nanoseconds: 6_000_000_000), applications: []),
        ]
        for batch in batches {
            let message = Outrider_V1_AgentMessage(.aggregates(batch), from: try Self.identity(), sequence: 1)
            let bytes: [UInt8] = try message.serializedBytes()
            #expect(try Outrider_V1_AgentMessage(serializedBytes: bytes).value() == .aggregates(batch))
            #expect(try Aggregates(decoding: batch.encoded()) == batch)
        }
        #expect(throws: (any Error).self) { try Aggregates(decoding: [0xFF, 0xFF, 0xFF]) }
    }

    @Test func arrivalsAndKernelInventories() throws {
        let kernel = KernelInventory(
            position: Self.position, localVNIs: [SessionNetworkID(unchecked: 0x1000)],
            remoteBlocks: [try Self.block(0x2000, 16), try Self.block(0x2001, 1)],
            ports: [SessionNetworkID(unchecked: 0x1001)])
        let messages: [AgentMessage] = [
            .arrived(SessionNetworkID(unchecked: 0x1001), Epoch(9)), .hostReport(HostReport(routes: 1)),
            .hostReport(HostReport(pending: ["x"], kernel: kernel)),
        ]
        let identity = try Self.identity()
        for message in messages {
            let bytes: [UInt8] = try Outrider_V1_AgentMessage(message, from: identity, sequence: 1).serializedBytes()
            let read = try Outrider_V1_AgentMessage(serializedBytes: bytes)
            #expect(try read.value() == message && read.identity() == identity)
        }
        var damaged = Outrider_V1_AgentMessage(messages[2], from: identity, sequence: 1)
        damaged.hostReport.kernel.localVnis = [1 << 24]
        #expect(throws: MappingError.self) { try damaged.value() }
    }

    @Test func operatorsRequests() throws {
        let host = try #require(HostID("h1"))
        let vm = try #require(VMInterface(vm: "a", nic: 1))
        var thaw = Outrider_V1_ThawHostRequest()
        thaw.host = "h1"
        #expect(try thaw.command() == .thawHost(host, keep: nil))
        thaw.keep = "machine"
        #expect(try thaw.command() == .thawHost(host, keep: "machine"))
        var fence = Outrider_V1_FenceHostRequest()
        fence.host = "h1"
        fence.reason = "x"
        #expect(try fence.command() == .fenceHost(host, proof: .cutOff, reason: "x"), "the careful way by default")
        fence.proof = .poweredOff
        #expect(try fence.command() == .fenceHost(host, proof: .poweredOff, reason: "x"))
        fence.host = "No Host"
        #expect(throws: MappingError.self) { try fence.command() }
        var migrate = Outrider_V1_MigrateRequest()
        migrate.vm = "a"
        migrate.nic = 1
        migrate.host = "h1"
        #expect(try migrate.command() == .migrate(vm, to: host))
        migrate.nic = 256
        #expect(throws: MappingError.self) { try migrate.command() }
    }
}
