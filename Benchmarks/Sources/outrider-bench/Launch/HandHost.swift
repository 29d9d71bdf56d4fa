import Dataplane
import LocalAPI
import NamespaceKit
import Netlink
import NetworkTypes

/// A host whose agent is dead, served by hand: every entry of a launch that can stand without its port is written
/// beforehand, and a launch is what is left of it.
///
/// The tables, the tunnel and the peers are those that the agent left, so a packet takes the same path.
struct HandHost {
    /// How what is left is written.
    enum Way: CaseIterable {
        /// By iproute2, as a script does it: one `ip -batch` on either side.
        case tools
        /// By the kernel's calls alone, from this process: no program is started, nobody is asked, nothing is made durable.
        case calls
    }

    private let host: ClusterHost
    private let kernel: KernelDataplane
    private let mtu: Int
    private let block: SNIBlock
    private let application: ApplicationID
    private var model: DataplaneModel

    /// - Parameters:
    ///   - block: one that peers have, and whose VNI the host's filter lets in.
    init(_ host: ClusterHost, block: SNIBlock, application: ApplicationID, mtu: Int) throws {
        let configuration = DataplaneConfiguration(vtep: host.vtep, mtu: mtu)
        let outside = try NamespaceSockets(path: NetworkNamespace.path(host.namespace))
        kernel = try KernelDataplane(
            configuration: configuration,
            namespace: OverlayNamespace(path: NetworkNamespace.path(host.overlayNamespace), host: outside))
        model = DataplaneModel(configuration: configuration)
        (self.host, self.block, self.application, self.mtu) = (host, block, application, mtu)
    }

    private static func mac(_ sni: SessionNetworkID) -> MACAddress {
        MACAddress(0x064F_52 << 24 | UInt64(sni.rawValue))
    }

    private mutating func objects(of sni: SessionNetworkID) throws -> [KernelObject] {
        guard let interface = VMInterface(vm: "hand-\(sni)", nic: 0) else { preconditionFailure("no such interface") }
        let port = Port(
            sni: sni, block: block, application: application, interface: interface, mac: Self.mac(sni))
        return try model.apply(.setPort(port)).compactMap { model.object(for: $0) }
    }

    private static let stages: [(kind: KernelKind, stage: CommitStage)] = [
        (.address, .acquireAddresses), (.neighbor, .acquireNeighbors), (.route, .acquireRoutes),
    ]

    private func execute(_ steps: [ChangeStep]) {
        let outcome = kernel.execute(ChangePlan(steps: steps.filter { !$0.operations.isEmpty }))
        precondition(outcome.failed.isEmpty, "\(outcome.failed.first.map { "\($0)" } ?? "")")
    }

    /// A launch's entries that have been written, and what is left of it.
    struct Prepared {
        let sni: SessionNetworkID
        let addressing: VMAddressing
        fileprivate let steps: [ChangeStep]
        /// The same for `ip -batch`, the port apart.
        fileprivate let lines: [String]
        fileprivate let elements: [ChangeStep]
    }

    /// Writes the elements of all filters, sources as well as ingress: they name the port and need none.
    mutating func prepare(_ sni: SessionNetworkID) throws -> Prepared {
        let all = try objects(of: sni)
        var (sources, ingress): ([KernelOperation], [KernelOperation]) = ([], [])
        for case .element(let element) in all {
            switch element.set {
            case .ingress4, .ingress6: ingress.append(.create(.element(element)))
            default: sources.append(.create(.element(element)))
            }
        }
        execute([
            ChangeStep(stage: .acquireSources, operations: sources),
            ChangeStep(stage: .acquireIngress, operations: ingress),
        ])
        let steps = Self.stages.map { kind, stage in
            ChangeStep(
                stage: stage, operations: all.filter { $0.key.kind == kind }.map(KernelOperation.create))
        }
        func releases(_ operations: [KernelOperation], _ stage: CommitStage) -> ChangeStep {
            ChangeStep(stage: stage, operations: operations.map { .delete($0.key) })
        }
        let plan = model.configuration.plan
        return Prepared(
            sni: sni,
            addressing: VMAddressing(
                ipv4: plan.ipv4(of: sni), ipv6: plan.ipv6(of: sni), gatewayIPv4: DataplaneConfiguration.gateway4,
                gatewayIPv6: DataplaneConfiguration.gateway6, mtu: mtu),
            steps: steps, lines: all.compactMap(Self.line),
            elements: [releases(ingress, .releaseIngress), releases(sources, .releaseSources)])
    }

    private static func line(_ object: KernelObject) -> String? {
        switch object {
        case .address(let device, let prefix): "addr add \(prefix) dev \(device) nodad noprefixroute"
        case .neighbor(let device, let address, let mac):
            "neigh replace \(address) lladdr \(mac) dev \(device) nud permanent"
        case .route(let prefix, _, .device(let device, let source, let mtu)):
            "route replace \(prefix) dev \(device) proto 83" + (mtu.map { " mtu \($0)" } ?? "")
                + (source.map { " src \($0)" } ?? "")
        default: nil
        }
    }

    /// What is left: the port, and what names its device.
    func launch(_ prepared: Prepared, into slot: VMSlot, by way: Way) throws {
        let name = "sni\(prepared.sni.hex)"
        switch way {
        case .calls:
            let target = try NamespaceDescriptor(path: slot.path)
            try kernel.route.createVethPort(
                name: name, gatewayMAC: DataplaneConfiguration.portMAC, peerName: "eth0",
                peerNamespaceFD: target.fd, peerMAC: Self.mac(prepared.sni), mtu: mtu, alias: "by hand")
            withExtendedLifetime(target) {}
            execute(prepared.steps)
        case .tools:
            // The VM's end first: the other way round its first packets would wait for the carrier.
            try Command.ipBatch(
                [
                    "link add eth0 address \(Self.mac(prepared.sni)) mtu \(mtu) type veth peer name \(name) "
                        + "address \(DataplaneConfiguration.portMAC) mtu \(mtu) netns \(host.overlayNamespace)",
                    "link set eth0 up",
                ], namespace: slot.name)
            try Command.ipBatch(["link set \(name) up"] + prepared.lines, namespace: host.overlayNamespace)
        }
    }

    /// Takes port and entries away again.
    func end(_ prepared: Prepared) throws {
        execute(prepared.elements)
        try kernel.route.deletePort(named: "sni\(prepared.sni.hex)")
    }
}
