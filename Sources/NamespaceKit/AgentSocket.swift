public import LocalAPI
public import NetworkTypes

/// One host's agent, spoken to through its local socket exactly as a hook does: one connection per call.
public struct AgentSocket: Sendable {
    public let path: String
    public init(path: String) { self.path = path }

    /// Longest wait for a call that should not wait for anything.
    private static let patience = Duration.seconds(10) * Patience.factor

    /// A launch whose port goes into a slot.
    public func attach(
        application: ApplicationID, vm: String, into slot: VMSlot, timeout: Duration, workload: WorkloadWish? = nil
    ) throws(KitError) -> Attachment {
        try attach(
            application: application, vm: vm, namespacePath: slot.path, timeout: timeout, workload: workload)
    }

    /// A launch whose port's other end, `eth0`, goes into the namespace at a path.
    public func attach(
        application: ApplicationID, vm: String, namespacePath: String, timeout: Duration,
        workload: WorkloadWish? = nil
    ) throws(KitError) -> Attachment {
        try attach(
            application: application, vm: vm, port: .veth(namespace: namespacePath, name: "eth0"), timeout: timeout,
            workload: workload)
    }

    /// A launch with a port of any kind.
    public func attach(
        application: ApplicationID, vm: String, port: PortWish, timeout: Duration, workload: WorkloadWish? = nil
    ) throws(KitError) -> Attachment {
        let call = AttachCall(
            application: application, interface: try interface(vm), port: port, timeout: timeout, workload: workload)
        let answer = try perform("Attach", call.json, patience: timeout + Self.patience)
        return try understood { () throws(VarlinkFailure) in try Attachment(json: answer) }
    }

    /// Hands over a port of the host's namespace that was attached as one that comes later.
    public func plug(vm: String, port: String) throws(KitError) -> Attachment {
        let answer = try perform("Plug", PlugCall(interface: try interface(vm), port: port).json)
        return try understood { () throws(VarlinkFailure) in try Attachment(json: answer) }
    }

    /// Takes the port; with `hold` the identifier is kept for the interface that long.
    public func detach(vm: String, hold: Duration? = nil) throws(KitError) {
        _ = try perform("Detach", DetachCall(interface: try interface(vm), hold: hold).json)
    }

    /// Ends a recovery.
    public func resolve() throws(KitError) { _ = try perform("Resolve", .object([:])) }

    public func status() throws(KitError) -> AgentStatusReport {
        let answer = try perform("Status", .object([:]))
        return try understood { () throws(VarlinkFailure) in try AgentStatusReport(json: answer) }
    }

    private func interface(_ vm: String) throws(KitError) -> VMInterface {
        guard let interface = VMInterface(vm: vm, nic: 0) else { throw .unexpected("'\(vm)' is no name of a VM") }
        return interface
    }

    private func perform(
        _ method: String, _ parameters: JSONValue, patience: Duration = Self.patience
    ) throws(KitError) -> JSONValue {
        do throws(VarlinkClientError) {
            var client = try VarlinkClient(path: path)
            return try client.call("\(AgentInterface.name).\(method)", parameters, timeout: patience)
        } catch {
            guard case .failed(let failure) = error else { throw .unexpected("\(method) at \(path): \(error)") }
            throw .refused(error: failure.name, detail: AgentFailure(failure).description)
        }
    }

    private func understood<T>(_ body: () throws(VarlinkFailure) -> T) throws(KitError) -> T {
        do throws(VarlinkFailure) {
            return try body()
        } catch {
            throw .unexpected("answer of \(path): \(error)")
        }
    }
}

extension Attachment {
    /// What the VM needs of it.
    public var addressing: VMAddressing {
        VMAddressing(ipv4: ipv4, ipv6: ipv6, gatewayIPv4: gateway4, gatewayIPv6: gateway6, mtu: mtu)
    }
}

extension AgentStatusReport {
    /// The boot is granted and nothing else stops the host from binding.
    public var mayBind: Bool { grant != nil && bindingStopped == nil && !recovering }

    /// Identifiers that the host can bind for an application without asking.
    public func available(for application: ApplicationID) -> Int {
        leases.filter { $0.application == application }.reduce(0) { $0 + $1.available }
    }

    /// VM interfaces that hold an identifier now.
    public var boundCount: Int { bindings.count { $0.state == "bound" } }

    /// Applications that the host leases blocks of.
    public var applications: Set<ApplicationID> { Set(leases.map(\.application)) }
}
