import Dataplane
import NetworkTypes

/// What devices and others do to a kernel.
extension FakeKernel {
    /// Faults that strike between two operations of a batch; `rest` is what is still to be written.
    func strikeDevices(_ rest: ArraySlice<KernelOperation>) {
        if armed == .namespaceDeleted, strike(.namespaceDeleted) {
            excused.formUnion(entries.keys)
            entries = [:]
            isNamespaceGone = true
        }
        let ports = rest.compactMap(\.device).filter { $0.hasPrefix("sni") }
        guard let device = ports.first else { return }
        if armed == .deviceVanishes, strike(.deviceVanishes) {
            removeDevice(device)
        } else if armed == .deviceRenamed, strike(.deviceRenamed) {
            // Neighbors and addresses follow the device, host routes too; sets of filters know names only.
            renamed = (device, removeDevice(device))
        } else if armed == .indexReused {
            let others = entries.values.compactMap { $0.key.device }.filter { $0.hasPrefix("sni") && $0 != device }
            guard let other = others.min(), strike(.indexReused) else { return }
            removeDevice(device)
            reused = (device, other)
        }
    }

    @discardableResult
    private func removeDevice(_ device: String) -> [ObservedObject] {
        let gone = entries.values.filter { $0.key.device == device || $0.object?.device == device }
        for entry in gone {
            entries[entry.key] = nil
            excused.insert(entry.key)
        }
        missing.insert(device)
        return gone
    }

    func takeNamesBack() {
        guard let (_, entries) = renamed else { return }
        renamed = nil
        for entry in entries where self.entries[entry.key] == nil { self.entries[entry.key] = entry }
    }

    private func sorted(_ isMeant: (KernelKey) -> Bool) -> [KernelKey] { entries.keys.filter(isMeant).sorted() }

    /// One entry of every kind is deleted, another one changed.
    func editByHand() {
        for kind in KernelKind.all {
            let keys = sorted { $0.kind == kind }
            guard let first = keys.first else { continue }
            entries[first] = nil
            excused.insert(first)
            guard keys.count > 1, let last = keys.last, let object = entries[last]?.object else { continue }
            excused.insert(last)
            switch object {
            case .neighbor(let device, let address, _):
                place(Self.ours(.neighbor(device: device, address: address, mac: MACAddress(0x02_0000_00BA_D0))))
            case .nexthop(var nexthop):
                nexthop.vtep = .v4(IPv4Address(0xC000_02FA))
                place(Self.ours(.nexthop(nexthop)))
            case .route(let prefix, let metric, _): place(Self.ours(.route(prefix, metric: metric, .unreachable)))
            case .vni, .address, .element: break
            }
        }
        dropOrphans()
    }

    /// What another installation on the same namespace would want.
    func writeAsAnother() {
        let block = Facts.block(3, 15)
        let configuration = DataplaneConfiguration(vtep: .v4(IPv4Address(0xC000_0263)), mtu: 1400)
        var model = DataplaneModel(configuration: configuration)
        let changes: [DataplaneChange] = [
            .setLocalBlock(LocalBlock(block: Facts.block(3, 14), application: Facts.applications[3])),
            .setRemoteBlock(
                RemoteRoute(block: block, application: Facts.applications[3], vtep: .v4(IPv4Address(0xC000_0264)))),
            .setPort(Facts.port(3, Facts.block(3, 14).first, in: Facts.block(3, 14), mac: 7)),
        ]
        for change in changes { _ = try? model.apply(change) }
        for key in model.keys.sorted() {
            // Addresses that nobody wants are left alone: the kernel makes some by itself.
            guard let object = model.object(for: key), key.kind != .address else { continue }
            place(Self.ours(object))
            excused.insert(key)
        }
    }

    /// The kernel's own rule: no route without its nexthop object.
    private func dropOrphans() {
        for (key, entry) in entries {
            guard case .route(_, _, .nexthop(let id)) = entry.object, entries[.nexthop(id)] == nil else { continue }
            entries[key] = nil
            excused.insert(key)
        }
    }
}

extension KernelKey {
    /// The device whose end is the entry's.
    var device: String? {
        switch self {
        case .neighbor(let device, _), .address(let device, _): device
        case .vni, .nexthop, .route, .element: nil
        }
    }
}

extension KernelObject {
    var device: String? {
        switch self {
        case .neighbor(let device, _, _), .address(let device, _), .route(_, _, .device(let device, _, _)): device
        case .nexthop(let nexthop): nexthop.device
        case .vni, .route, .element: nil
        }
    }

    /// The same on another device.
    func moved(to device: String) -> KernelObject {
        switch self {
        case .neighbor(_, let address, let mac): .neighbor(device: device, address: address, mac: mac)
        case .address(_, let prefix): .address(device: device, prefix: prefix)
        case .route(let prefix, let metric, .device(_, let source, let mtu)):
            .route(prefix, metric: metric, .device(device, source: source, mtu: mtu))
        case .nexthop, .vni, .route, .element: self
        }
    }
}

extension KernelOperation {
    /// The device that the message names by its index.
    var device: String? {
        switch self {
        case .create(let object), .replace(let object): object.device
        case .delete(let key): key.device
        }
    }

    func moved(from former: String, to device: String) -> KernelOperation {
        guard self.device == former else { return self }
        switch self {
        case .create(let object): return .create(object.moved(to: device))
        case .replace(let object): return .replace(object.moved(to: device))
        case .delete(.neighbor(_, let address)): return .delete(.neighbor(device: device, address: address))
        case .delete(.address(_, let prefix)): return .delete(.address(device: device, prefix: prefix))
        case .delete: return self
        }
    }
}
