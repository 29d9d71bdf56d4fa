public import Dataplane
import Glibc
public import NetworkTypes

/// The kernel side of one host's data plane: carries out change plans and dumps what is there.
///
/// It decides nothing and remembers nothing but device indexes of one call: desired state, ownership and repair belong
/// to ``DataplaneState``. Used by one task or queue at a time.
public final class KernelDataplane {
    public private(set) var configuration: DataplaneConfiguration
    public let namespace: OverlayNamespace
    /// rtnetlink inside the overlay; ports are made through it.
    public let route: RouteSocket
    /// nf_tables inside the overlay.
    public let overlayTables: NFTables
    /// nf_tables of the host: the one table that guards the UDP port.
    public let underlayTables: NFTables
    let frames: FrameCounter

    /// Opens the sockets; nothing is written yet.
    public init(configuration: DataplaneConfiguration, namespace: OverlayNamespace) throws(NetlinkError) {
        self.configuration = configuration
        self.namespace = namespace
        route = try RouteSocket(in: namespace.overlay)
        overlayTables = try NFTables(
            .overlay(
                device: configuration.device, plan: configuration.plan, answers: configuration.answersGuests),
            in: namespace.overlay)
        underlayTables = try NFTables(.underlay(vxlanPort: configuration.vxlanPort), in: namespace.host)
        frames = try FrameCounter(in: namespace.overlay)
    }

    /// Change messages sent to the kernel so far (RTM_NEW/DEL and those of committed nf_tables transactions).
    public var writes: Int { route.writes + overlayTables.writes + underlayTables.writes }

    /// The device that this configuration asks for.
    public var device: TunnelDevice {
        TunnelDevice(
            name: configuration.device, mac: configuration.vtep.tunnelMAC,
            vtep: configuration.vtep, port: configuration.vxlanPort, mtu: configuration.mtu)
    }

    /// The device is known by this endpoint from now on, and a later process finds it there: for when all that is sent has it
    /// as its source.
    public func useEndpoint(_ vtep: IPAddress) throws(NetlinkError) {
        var moved = configuration
        moved.vtep = vtep
        guard let link = try route.link(named: device.name), link.vxlan != nil else {
            throw NetlinkError(operation: "change endpoint of device", object: device.name, code: ENODEV)
        }
        if link.vxlan?.local != vtep {
            try route.change(RouteMessage.vxlan(index: link.index, named: device.name, movedTo: vtep))
        }
        configuration = moved
    }

    /// What ``prepare(mayReplace:elements:)`` found or made.
    public struct Preparation: Hashable, Sendable {
        public var device: OverlayNamespace.DeviceState
        /// Tables that were made anew; their sets hold the given elements.
        public var replacedTables: [String]
        /// The view of everything must be read again: the device was made anew or was down, or a table was replaced.
        public var needsResync: Bool { device.isNew || !device.isUp || !replacedTables.isEmpty }
    }

    /// Device and filter structure, in the order that never leaves an open window: device (down), tables and the chain
    /// on it, then up. Writes nothing when all is in place.
    ///
    /// - Parameters:
    ///   - keepsPresent: tables that are made anew keep the elements they have: at the start of a process.
    ///   - mayReplace: a device of another endpoint may be deleted and made anew.
    ///   - elements: what the sets of all tables should hold, asked for when a table is made anew.
    @discardableResult
    public func prepare(
        mayReplace: Bool, keepsPresent: Bool = false, elements: () -> [FilterElement]
    ) throws(NetlinkError) -> Preparation {
        let state = try namespace.ensureDevice(device, mayReplace: mayReplace, using: route)
        var replaced = try overlayTables.ensureStructure(
            rebuildingChain: state.isNew, keepsPresent: keepsPresent, elements: elements)
        replaced += try underlayTables.ensureStructure(keepsPresent: keepsPresent, elements: elements)
        try namespace.raiseDevice(device, using: route)
        return Preparation(device: state, replacedTables: replaced)
    }

    /// What ``prepare(mayReplace:keepsPresent:elements:)`` would make or correct, in words; nothing is written.
    public func gaps() throws(NetlinkError) -> [String] {
        var gaps: [String] = []
        if let link = try route.link(named: device.name) {
            let isSameFamily = link.vxlan?.local?.isIPv6 == device.vtep.isIPv6
            if link.vxlan?.isFiltered != true || !isSameFamily || link.vxlan?.port != device.port {
                gaps.append("replace device \(device.name): it has another kind, family of endpoint or port")
            } else if link.vxlan?.local != device.vtep {
                gaps.append("correct endpoint of device \(device.name)")
            } else if link.mtu != device.mtu || (!link.isUp && link.mac != device.mac) {
                gaps.append("correct MTU and address of device \(device.name)")
            }
            if !link.isUp { gaps.append("raise device \(device.name)") }
        } else {
            gaps.append("make device \(device.name) with endpoint \(device.vtep), port \(device.port)")
        }
        return try gaps + overlayTables.structureGaps() + underlayTables.structureGaps()
    }

    /// What became of a plan.
    public struct Outcome: Sendable {
        public var completed: [KernelOperation] = []
        public var failed: [(operation: KernelOperation, error: NetlinkError)] = []
    }

    /// Carries out a plan in its order, in as few system calls as possible: a launch waits for each of them. All errors
    /// are collected; a stage with errors stops no later one, since each order of the plan is closed when its front is
    /// missing.
    public func execute(_ plan: ChangePlan) -> Outcome {
        var outcome = Outcome()
        var devices = DeviceIndexes()
        // Of stages with nothing of the other kind between them; one of the two is always empty.
        var elements: [KernelOperation] = []
        var objects: [KernelOperation] = []
        for step in plan.steps {
            if step.stage.isOfElements {
                executeObjects(objects, devices: &devices, into: &outcome)
                objects = []
                elements = elements.isEmpty ? step.operations : elements + step.operations
            } else {
                executeElements(elements, into: &outcome)
                elements = []
                // Nothing is copied where there is one stage of a hundred thousand.
                objects = objects.isEmpty ? step.operations : objects + step.operations
            }
        }
        executeElements(elements, into: &outcome)
        executeObjects(objects, devices: &devices, into: &outcome)
        return outcome
    }

    private func executeElements(_ operations: [KernelOperation], into outcome: inout Outcome) {
        let groups = [
            (overlayTables, operations.filter { !$0.isUnderlay }), (underlayTables, operations.filter(\.isUnderlay)),
        ]
        for (tables, group) in groups where !group.isEmpty {
            do throws(NetlinkError) {
                let result = try tables.apply(group)
                outcome.completed += result.completed
                outcome.failed += result.failed
            } catch {
                outcome.failed += group.map { ($0, error) }
            }
        }
    }

    private func executeObjects(
        _ operations: [KernelOperation], devices: inout DeviceIndexes, into outcome: inout Outcome
    ) {
        outcome.completed.reserveCapacity(outcome.completed.count + operations.count)
        for start in stride(from: 0, to: operations.count, by: RouteSocket.messagesPerSend) {
            let end = min(start + RouteSocket.messagesPerSend, operations.count)
            do throws(NetlinkError) {
                try executeObjects(operations[start..<end], devices: &devices, into: &outcome)
            } catch {
                // What became of these is unknown, and the socket's state with it: nothing more in this stage.
                outcome.failed += operations[end...].map { ($0, error) }
                return
            }
        }
    }

    /// At most as many operations as one system call carries.
    ///
    /// - Throws: when the outcome is unknown; these operations count as failed then.
    private func executeObjects(
        _ operations: ArraySlice<KernelOperation>, devices: inout DeviceIndexes, into outcome: inout Outcome
    ) throws(NetlinkError) {
        var sent: [KernelOperation] = []
        var messages: [RouteMessage] = []
        sent.reserveCapacity(operations.count)
        messages.reserveCapacity(operations.count)
        for operation in operations {
            do throws(NetlinkError) {
                guard let message = try message(for: operation, devices: &devices) else {
                    // Its device is gone, and the kernel took the entry with it.
                    outcome.completed.append(operation)
                    continue
                }
                messages.append(message)
                sent.append(operation)
            } catch {
                outcome.failed.append((operation, error))
            }
        }
        do throws(NetlinkError) {
            let errors = try route.batch(messages)
            for (index, operation) in sent.enumerated() {
                if let error = errors[index], !(operation.isDelete && error.isNotFound) {
                    outcome.failed.append((operation, named(error)))
                } else {
                    outcome.completed.append(operation)
                }
            }
        } catch {
            outcome.failed += sent.map { ($0, error) }
            throw error
        }
    }

    /// Adds what to do to errors that the kernel words too tersely.
    private func named(_ error: NetlinkError) -> NetlinkError {
        guard error.detail.hasPrefix("VNI in use") else { return error }
        var error = error
        error.advice =
            "another VXLAN device on UDP port \(configuration.vxlanPort) carries it; delete that device or choose another vxlan-port"
        return error
    }

    /// Nil for the deletion of an entry whose device does not exist.
    private func message(
        for operation: KernelOperation, devices: inout DeviceIndexes
    ) throws(NetlinkError) -> RouteMessage? {
        switch operation {
        case .create(let object), .replace(let object):
            return try message(for: object, devices: &devices)
        case .delete(let key):
            return try message(deleting: key, devices: &devices)
        }
    }

    private func message(for object: KernelObject, devices: inout DeviceIndexes) throws(NetlinkError) -> RouteMessage {
        switch object {
        case .vni(let vni):
            return try .vni(vni, index: devices.need(configuration.device, route, for: object.key), add: true)
        case .neighbor(let name, let address, let mac):
            let index = try devices.need(name, route, for: object.key)
            return try .neighbor(address, index: index, device: name, mac: mac)
        case .nexthop(let nexthop):
            return try .nexthop(nexthop, index: devices.need(nexthop.device, route, for: object.key))
        case .route(let prefix, let metric, let target):
            var index: Int?
            if case .device(let name, _, _) = target { index = try devices.need(name, route, for: object.key) }
            return .route(prefix, metric: metric, target, index: index)
        case .address(let name, let prefix):
            return try .address(prefix, index: devices.need(name, route, for: object.key), add: true)
        case .element: throw NetlinkError(operation: "write", object: "\(object.key)", code: EINVAL)
        }
    }

    private func message(
        deleting key: KernelKey, devices: inout DeviceIndexes
    ) throws(NetlinkError) -> RouteMessage? {
        switch key {
        case .vni(let vni):
            guard let index = try devices.index(of: configuration.device, route) else { return nil }
            return try .vni(vni, index: index, add: false)
        case .neighbor(let name, let address):
            guard let index = try devices.index(of: name, route) else { return nil }
            return try .neighbor(address, index: index, device: name, mac: nil)
        case .nexthop(let id): return try .deleteNexthop(id)
        case .route(let prefix, let metric): return .deleteRoute(prefix, metric: metric)
        case .address(let name, let prefix):
            guard let index = try devices.index(of: name, route) else { return nil }
            return try .address(prefix, index: index, add: false)
        case .element: throw NetlinkError(operation: "delete", object: "\(key)", code: EINVAL)
        }
    }
}

extension KernelOperation {
    fileprivate var isUnderlay: Bool {
        if case .element(let element) = key { element.set.isUnderlay } else { false }
    }
}

/// Indexes of devices by name, read once per plan: a name may get another index as soon as its device is made anew.
struct DeviceIndexes {
    private var known: [String: Int?] = [:]

    mutating func index(of name: String, _ route: RouteSocket) throws(NetlinkError) -> Int? {
        if let index = known[name] { return index }
        let index = try route.index(named: name)
        known[name] = index
        return index
    }

    mutating func need(_ name: String, _ route: RouteSocket, for key: KernelKey) throws(NetlinkError) -> Int {
        guard let index = try index(of: name, route) else {
            throw NetlinkError(
                operation: "write", object: "\(key)", code: ENODEV,
                advice: "there is no device '\(name)' in the overlay")
        }
        return index
    }
}
