import Dataplane
import NetworkTypes
import SimulationKit

/// What a coordinator and VMs may have declared: the plain reference that the incremental model is held against.
struct Facts {
    static let applications = (1...4).map { ApplicationID(UUID128(high: 0, low: UInt64($0))) }
    static let configuration = DataplaneConfiguration(vtep: .v4(IPv4Address(0xC000_0201)), mtu: 1450)
    static let peers = (2...5).map { IPAddress.v4(IPv4Address(0xC000_0200 + UInt32($0))) }

    /// The same over an underlay of the other family.
    static let configuration6 = DataplaneConfiguration(vtep: endpoint6(1), mtu: 1430)
    private static func endpoint6(_ number: UInt64) -> IPAddress {
        .v6(IPv6Address(high: 0x2001_0DB8 << 32, low: number))
    }

    var isIPv6 = false
    var configuration: DataplaneConfiguration { isIPv6 ? Self.configuration6 : Self.configuration }
    private func peer(_ index: Int) -> IPAddress { isIPv6 ? Self.endpoint6(UInt64(index + 2)) : Self.peers[index] }

    var locals: [SNIBlock: LocalBlock] = [:]
    var remotes: [SNIBlock: RemoteRoute] = [:]
    var scopes: [ApplicationID: Scope] = [:]
    var ports: [SessionNetworkID: Port] = [:]

    /// Blocks of an application: 16 of 16 identifiers each, applications 4096 apart.
    static func block(_ application: Int, _ index: Int) -> SNIBlock {
        guard
            let block = SNIBlock(
                first: SessionNetworkID(unchecked: UInt32(4096 * (application + 1) + index * 16)), size: 16)
        else { preconditionFailure("not aligned") }
        return block
    }

    static func port(_ application: Int, _ sni: SessionNetworkID, in block: SNIBlock, mac: UInt64 = 0) -> Port {
        guard let interface = VMInterface(vm: "vm\(sni)", nic: 0) else { preconditionFailure("name") }
        return Port(
            sni: sni, block: block, application: applications[application], interface: interface,
            mac: MACAddress(0x064F_5200_0000 | mac << 32 | UInt64(sni.rawValue)))
    }

    /// One random declaration or withdrawal that is consistent with what stands.
    mutating func mutate(using generator: inout SeededGenerator) -> DataplaneChange {
        let application = generator.integer(in: 0...3)
        let block = Self.block(application, generator.integer(in: 0...15))
        switch generator.integer(in: 0...7) {
        case 0:
            let local = LocalBlock(block: block, application: Self.applications[application])
            locals[block] = local
            return .setLocalBlock(local)
        case 1:
            locals[block] = nil
            return .removeLocalBlock(block)
        case 2:
            let former = generator.chance(0.2) ? peer(generator.integer(in: 0...3)) : nil
            let route = RemoteRoute(
                block: block, application: Self.applications[application], vtep: peer(generator.integer(in: 0...3)),
                former: former, standby: generator.chance(0.1))
            remotes[block] = route
            return .setRemoteBlock(route)
        case 3:
            remotes[block] = nil
            return .removeRemoteBlock(block)
        case 4, 5: return mutateScope(application, using: &generator)
        default: return mutatePort(application, block, using: &generator)
        }
    }

    private mutating func mutateScope(_ application: Int, using generator: inout SeededGenerator) -> DataplaneChange {
        let id = Self.applications[application]
        if generator.chance(0.3) {
            scopes[id] = nil
            return .removeScope(id)
        }
        let ranges = (0..<generator.integer(in: 1...3)).map { _ in
            let first = generator.integer(in: 0...12)
            return SNIRange(
                unchecked: Self.block(application, first).first.rawValue, count: 16 * generator.integer(in: 1...4))
        }
        let allowed = Self.applications.filter { _ in generator.chance(0.5) }.filter { $0 != id }
        let scope = Scope(application: id, ranges: ranges, allowed: allowed)
        scopes[id] = scope
        return .setScope(scope)
    }

    private mutating func mutatePort(
        _ application: Int, _ block: SNIBlock, using generator: inout SeededGenerator
    ) -> DataplaneChange {
        let sni = SessionNetworkID(unchecked: block.first.rawValue + UInt32(generator.integer(in: 0...15)))
        if generator.chance(0.4) {
            ports[sni] = nil
            return .removePort(sni)
        }
        let port = Self.port(application, sni, in: block, mac: UInt64(generator.integer(in: 0...1)))
        ports[sni] = port
        return .setPort(port)
    }

    /// All declarations, in an order of no relation to history.
    func changes(using generator: inout SeededGenerator) -> [DataplaneChange] {
        let all =
            locals.values.map(DataplaneChange.setLocalBlock) + remotes.values.map(DataplaneChange.setRemoteBlock)
            + scopes.values.map(DataplaneChange.setScope) + ports.values.map(DataplaneChange.setPort)
        return all.shuffled(using: &generator)
    }

    /// What the kernel should hold, computed from nothing.
    func objects(using generator: inout SeededGenerator) throws -> [KernelKey: KernelObject] {
        var model = DataplaneModel(configuration: configuration)
        for change in changes(using: &generator) { _ = try model.apply(change) }
        var result: [KernelKey: KernelObject] = [:]
        for key in model.keys { result[key] = model.object(for: key) }
        return result
    }
}
