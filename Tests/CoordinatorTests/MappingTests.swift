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
