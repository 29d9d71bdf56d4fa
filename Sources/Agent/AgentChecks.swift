public import DaemonSupport
import Dataplane
import FoundationEssentials
import Journal
import LocalAPI
import Netlink
import NetworkTypes

/// Whether this host can run the agent: everything that can be found out without joining the installation.
public enum AgentChecks {
    /// One thing that was looked at.
    public struct Finding: Hashable, Sendable {
        public var subject: String
        /// What is wrong and what to do; nil when nothing is.
        public var problem: String?
        /// Worth knowing, and no problem.
        public var note: String?
    }

    /// Every check, also after one has failed.
    public static func run(_ settings: AgentSettings) -> [Finding] {
        var findings = [
            attempt("identity and endpoint") {
                _ = try HostFacts.read(settings, host: NamespaceSockets(path: nil), overlay: nil)
            },
            attempt("socket group") {
                guard localGroupID(named: settings.socketGroup) != nil else {
                    throw AgentStartError.noSuchGroup(settings.socketGroup)
                }
            },
            look("journal") { try checkJournal(settings) },
        ]
        var namespace: OverlayNamespace?
        findings.append(
            attempt(settings.mode == .serve ? "overlay namespace" : "no overlay") {
                namespace = try Self.namespace(settings)
            })
        guard let namespace else { return findings }
        if settings.mode == .serve { findings.append(look("kernel") { try requireFeatures(settings, namespace) }) }
        findings.append(
            look("other agents") {
                _ = try NamespaceLock(namespace.overlay.namespace)
                return nil
            } asNote: {
                $0 is AgentStartError
            })
        guard settings.mode == .serve else { return findings }
        findings.append(
            look("underlay paths") {
                let view = try KernelView.read(settings)
                let problems = try view.kernel.paths(to: view.endpoints).problems
                guard problems.isEmpty else { throw AgentStartError.underlay(problems) }
                return "\(view.endpoints.count) tunnel endpoints" + (view.reason.map { "; \($0)" } ?? "")
            })
        return findings
    }

    /// The overlay's namespace; on a host that only observes there must be none.
    static func namespace(_ settings: AgentSettings) throws -> OverlayNamespace {
        let host = try NamespaceSockets(path: nil)
        guard settings.mode == .observe else {
            return try OverlayNamespace(path: settings.overlayNamespace, host: host)
        }
        guard !FileManager.default.fileExists(atPath: settings.overlayNamespace) else {
            throw AgentStartError.servedBefore(settings.overlayNamespace)
        }
        return OverlayNamespace(observing: host)
    }

    /// Refuses a kernel that lacks what the data plane needs.
    static func requireFeatures(_ settings: AgentSettings, _ namespace: OverlayNamespace) throws -> String? {
        // The smallest MTU that there may be; nothing of the probe is used.
        let configuration = DataplaneConfiguration(
            vtep: settings.vtep, mtu: 1280, answersGuests: settings.addressing == .responder)
        let missing = try KernelFeatures.missing(in: namespace, configuration: configuration)
        guard missing.isEmpty else { throw AgentStartError.kernelLacks(missing) }
        return "Linux \(KernelFeatures.release)"
    }

    private static func checkJournal(_ settings: AgentSettings) throws -> String? {
        guard let contents = try Journal.read(path: "\(settings.stateDirectory)/journal") else {
            return "none yet: this host joins as a new installation"
        }
        if let damage = contents.damage {
            let problem = "damaged \(damage); the next start keeps it aside and adopts what runs"
            throw AgentStartError.file(path: AgentJournal.path(in: settings.stateDirectory), problem: problem)
        }
        return "installation \(contents.identity.incarnation), \(contents.lines.count) records"
    }

    private static func look(
        _ subject: String, _ body: () throws -> String?, asNote: (any Error) -> Bool = { _ in false }
    ) -> Finding {
        do {
            return Finding(subject: subject, note: try body())
        } catch {
            return asNote(error)
                ? Finding(subject: subject, note: "\(error)") : Finding(subject: subject, problem: "\(error)")
        }
    }

    private static func attempt(_ subject: String, _ body: () throws -> Void) -> Finding {
        look(
            subject,
            { () throws -> String? in
                try body()
                return nil
            })
    }
}
