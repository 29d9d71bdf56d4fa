public import NetworkTypes

/// Errors of the agent's interface, on both sides of the socket.
public enum AgentFailure: Error, Hashable, Sendable {
    case permissionDenied(uid: UInt32)
    case recovering
    case notGranted(reason: String)
    case bindingsSuspended(silentFor: Duration)
    case unknownApplication(String)
    case applicationDeleting(String)
    case noIdentifiers(code: String, detail: String)
    case timedOut(waited: Duration, connected: Bool)
    case duplicateInterface(VMInterface, sni: SessionNetworkID?, difference: String)
    case noSuchBinding(VMInterface)
    case detached(VMInterface)
    /// `kind`: `no-such-namespace`, `no-such-port`, `name-taken`, `belongs-to-another`, `unsupported` or `failed`.
    case portFailed(kind: String, subject: String, detail: String)
    case dataplaneFailed(reason: String)
    case journalFailed(reason: String)
    case tooManyWaiting(limit: Int)
    /// An error of `org.varlink.service`, or one that this version does not know.
    case other(VarlinkFailure)

    /// Exit code of a program that ends with this error (sysexits.h).
    public var exitCode: Int32 {
        switch self {
        case .permissionDenied: 77
        case .recovering, .notGranted, .bindingsSuspended, .timedOut, .detached, .tooManyWaiting, .noIdentifiers: 75
        case .unknownApplication, .applicationDeleting, .duplicateInterface, .noSuchBinding, .dataplaneFailed: 1
        case .portFailed, .journalFailed: 73
        case .other(let failure): failure.name == "org.varlink.service.InvalidParameter" ? 64 : 1
        }
    }

    public var varlink: VarlinkFailure {
        func make(_ name: String, _ parameters: JSONValue = .object([:])) -> VarlinkFailure {
            VarlinkFailure(name: "\(AgentInterface.name).\(name)", parameters: parameters)
        }
        func place(_ interface: VMInterface) -> JSONValue {
            ["vm": .string(interface.vm), "nic": .number(interface.nic)]
        }
        switch self {
        case .permissionDenied(let uid): return make("PermissionDenied", ["uid": .number(uid)])
        case .recovering: return make("Recovering")
        case .notGranted(let reason): return make("NotGranted", ["reason": .string(reason)])
        case .bindingsSuspended(let silent): return make("BindingsSuspended", ["silent_ms": .milliseconds(silent)])
        case .unknownApplication(let id): return make("UnknownApplication", ["application": .string(id)])
        case .applicationDeleting(let id): return make("ApplicationDeleting", ["application": .string(id)])
        case .noIdentifiers(let code, let detail):
            return make("NoIdentifiers", ["code": .string(code), "detail": .string(detail)])
        case .timedOut(let waited, let connected):
            return make("TimedOut", ["waited_ms": .milliseconds(waited), "connected": .bool(connected)])
        case .duplicateInterface(let interface, let sni, let difference):
            return make(
                "DuplicateInterface",
                .fields([
                    "vm": .string(interface.vm), "nic": .number(interface.nic), "sni": sni.map { .number($0.rawValue) },
                    "difference": .string(difference),
                ]))
        case .noSuchBinding(let interface): return make("NoSuchBinding", place(interface))
        case .detached(let interface): return make("Detached", place(interface))
        case .portFailed(let kind, let subject, let detail):
            return make(
                "PortFailed", ["kind": .string(kind), "subject": .string(subject), "detail": .string(detail)])
        case .dataplaneFailed(let reason): return make("DataplaneFailed", ["reason": .string(reason)])
        case .journalFailed(let reason): return make("JournalFailed", ["reason": .string(reason)])
        case .tooManyWaiting(let limit): return make("TooManyWaiting", ["limit": .number(limit)])
        case .other(let failure): return failure
        }
    }

    public init(_ failure: VarlinkFailure) {
        let prefix = AgentInterface.name + "."
        guard failure.name.hasPrefix(prefix),
            let known = try? Self.known(String(failure.name.dropFirst(prefix.count)), failure.parameters)
        else {
            self = .other(failure)
            return
        }
        self = known
    }

    private static func known(_ name: String, _ parameters: JSONValue) throws(VarlinkFailure) -> AgentFailure? {
        let fields = try Fields(parameters, known: nil)
        func milliseconds(_ key: String) throws(VarlinkFailure) -> Duration {
            .milliseconds(Int64(clamping: try fields.number(key)))
        }
        switch name {
        case "PermissionDenied": return .permissionDenied(uid: UInt32(clamping: try fields.number("uid")))
        case "Recovering": return .recovering
        case "NotGranted": return .notGranted(reason: try fields.text("reason"))
        case "BindingsSuspended": return .bindingsSuspended(silentFor: try milliseconds("silent_ms"))
        case "UnknownApplication": return .unknownApplication(try fields.text("application"))
        case "ApplicationDeleting": return .applicationDeleting(try fields.text("application"))
        case "NoIdentifiers":
            return .noIdentifiers(code: try fields.text("code"), detail: try fields.text("detail"))
        case "TimedOut":
            return .timedOut(waited: try milliseconds("waited_ms"), connected: try fields.flag("connected"))
        case "DuplicateInterface":
            return .duplicateInterface(
                try fields.interface(), sni: fields.isAbsent("sni") ? nil : try fields.sni("sni"),
                difference: try fields.text("difference"))
        case "NoSuchBinding": return .noSuchBinding(try fields.interface())
        case "Detached": return .detached(try fields.interface())
        case "PortFailed":
            return .portFailed(
                kind: try fields.text("kind"), subject: try fields.text("subject"), detail: try fields.text("detail"))
        case "DataplaneFailed": return .dataplaneFailed(reason: try fields.text("reason"))
        case "JournalFailed": return .journalFailed(reason: try fields.text("reason"))
        case "TooManyWaiting": return .tooManyWaiting(limit: try fields.count("limit"))
        default: return nil
        }
    }
}

extension AgentFailure: CustomStringConvertible {
    /// What happened and what to do.
    public var description: String {
        switch self {
        case .permissionDenied(let uid): "user \(uid) is neither root nor in the agent's socket group"
        case .recovering:
            "the agent lost its journal: running VMs are kept, nothing new is attached until an operator resolves it"
        case .notGranted(let reason): "this host may not attach now: \(reason)"
        case .bindingsSuspended(let silent):
            "the coordinator has been silent for \(Int(silent.inSeconds)) s, longer than bind-until; restore the connection"
        case .unknownApplication(let id): "application \(id) is not known; see 'outriderctl app list'"
        case .applicationDeleting(let id): "application \(id) is being deleted"
        case .noIdentifiers(let code, let detail): "no identifiers (\(code)): \(detail)"
        case .timedOut(let waited, let connected):
            "no block came within \(waited.inNanoseconds / 1_000_000) ms"
                + (connected ? "; the pool may be short" : "; the coordinator can't be reached")
        case .duplicateInterface(let interface, let sni, let difference):
            "\(interface) is attached already\(sni.map { " as SNI \($0)" } ?? "") with another \(difference); detach it first"
        case .noSuchBinding(let interface): "\(interface) is not attached; attach it first"
        case .detached(let interface): "\(interface) was detached while it was being attached"
        case .portFailed(let kind, let subject, let detail): "port \(subject) (\(kind)): \(detail)"
        case .dataplaneFailed(let reason): "the kernel refused, nothing was attached: \(reason)"
        case .journalFailed(let reason): "the agent's journal can't be written: \(reason)"
        case .tooManyWaiting(let limit): "\(limit) launches wait already; try again"
        case .other(let failure): "\(failure.name) \(failure.parameters)"
        }
    }
}
