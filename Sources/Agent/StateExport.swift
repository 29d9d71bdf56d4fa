import Dataplane
import LocalAPI
import NetworkTypes

extension KernelView {
    /// Desired and actual state, and what would be written, as one JSON object.
    ///
    /// Keys of an object: `kind` and what identifies it, then its values. An actual object also says whose it is
    /// (`ours`, `foreign`, `ignored`) and, when it carries something that Outrider never writes, `unreadable`.
    var json: JSONValue {
        let desired = state.model.keys.sorted().compactMap { state.model.object(for: $0) }
        let actual = dump.objects.sorted { $0.key < $1.key }
        return .fields([
            "reason": reason.map { .string($0) },
            "desired": .array(reason == nil ? desired.map { Self.json(of: $0) } : []),
            "actual": .array(actual.map { json(of: $0) }), "plan": .array(planLines.map { .string($0) }),
        ])
    }

    private func json(of observed: ObservedObject) -> JSONValue {
        var fields = (observed.object.map { Self.json(of: $0) } ?? Self.json(of: observed.key)).object ?? [:]
        if observed.object == nil { fields["unreadable"] = true }
        switch state.tracker.policy.verdict(of: observed) {
        case .ours: fields["owner"] = "ours"
        case .foreign: fields["owner"] = "foreign"
        case .ignored: fields["owner"] = "ignored"
        }
        if case .routing(let number) = observed.origin { fields["protocol"] = .integer(Int64(number)) }
        return .object(fields)
    }

    private static func json(of object: KernelObject) -> JSONValue {
        var fields = json(of: object.key).object ?? [:]
        switch object {
        case .vni, .address, .element: break
        case .neighbor(_, _, let mac): fields["mac"] = .string("\(mac)")
        case .nexthop(let nexthop):
            fields["vni"] = .integer(Int64(nexthop.vni.rawValue))
            fields["source"] = .string("\(nexthop.source)")
            fields["vtep"] = .string("\(nexthop.vtep)")
            fields["gateway"] = .string("\(nexthop.gateway)")
            fields["device"] = .string(nexthop.device)
        case .route(_, _, let target):
            switch target {
            case .nexthop(let id): fields["nexthop"] = .integer(Int64(id))
            case .device(let name, let source, let mtu):
                fields["device"] = .string(name)
                if let mtu { fields["mtu"] = .integer(Int64(mtu)) }
                if let source { fields["source"] = .string("\(source)") }
            case .unreachable: fields["unreachable"] = true
            }
        }
        return .object(fields)
    }

    private static func json(of key: KernelKey) -> JSONValue {
        switch key {
        case .vni(let vni): ["kind": "vni", "vni": .integer(Int64(vni.rawValue))]
        case .neighbor(let device, let address):
            ["kind": "neighbor", "device": .string(device), "address": .string("\(address)")]
        case .nexthop(let id): ["kind": "nexthop", "id": .integer(Int64(id))]
        case .route(let prefix, let metric):
            ["kind": "route", "prefix": .string("\(prefix)"), "metric": .integer(Int64(metric))]
        case .address(let device, let prefix):
            ["kind": "address", "device": .string(device), "prefix": .string("\(prefix)")]
        case .element(let element):
            [
                "kind": "element", "set": .string(element.set.rawValue),
                "element": .string(String("\(element)".drop { $0 != " " }.dropFirst())),
            ]
        }
    }
}
