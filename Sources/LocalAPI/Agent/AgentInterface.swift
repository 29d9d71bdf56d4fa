/// The agent's Varlink interface.
public enum AgentInterface {
    public static let name = "io.outrider.Agent"

    /// Served by `org.varlink.service.GetInterfaceDescription`.
    public static let description = """
        # The host agent of Outrider: ports for VMs, by the hooks of whatever starts them.
        # Root and the configured group may call. Numbers named *_ms are milliseconds, mtu is bytes.
        interface io.outrider.Agent

        # How the interface gets its port: exactly one of the three.
        #   veth: a pair is made; its end `name` appears in the namespace at `namespace` (absolute path)
        #   tap: a persistent tap is made in the overlay's namespace; uid and gid may open it
        #   later: the port appears later and is handed over by Plug
        type Port (veth: ?Veth, tap: ?Tap, later: ?bool)
        type Veth (namespace: string, name: string)
        type Tap (uid: ?int, gid: ?int)

        # Where the CPU and memory of the VM are read: exactly one of the two. process is the number of its process,
        # control_group the absolute path of its control group's folder, version 1 or 2.
        type Workload (process: ?int, control_group: ?string)

        # What the VM needs to address itself. class is the application's priority; served_from is staged, leased,
        # reserved or cold.
        type Attachment (
          sni: int,
          ipv4: string,
          ipv6: string,
          gateway4: string,
          gateway6: string,
          mtu: int,
          port: string,
          mac: string,
          class: string,
          served_from: string
        )

        # Permission to bind in this boot, with the installation's settings.
        type Grant (
          boot: string,
          overlay_ipv4: string,
          overlay_ipv6: string,
          mtu: int,
          vxlan_port: int,
          bind_until_ms: int,
          cooldown_ms: int,
          aggregate_interval_ms: int
        )

        type Lease (
          first: int,
          size: int,
          application: string,
          epoch: int,
          staged: bool,
          marked: bool,
          drained: bool,
          bound: int,
          cooling: int,
          available: int
        )

        # state: bound, held or cooling. port is absent while there is none.
        type Binding (
          sni: int,
          vm: string,
          nic: int,
          application: string,
          session: ?string,
          state: string,
          served_from: string,
          epoch: int,
          mac: string,
          port: ?string
        )

        # Launches since the agent started, by what served them.
        type Counts (staged: int, leased: int, reserved: int, cold: int, failed: int, stopped: int, waiting: int)

        # connected: the stream to the coordinator is open. silent_ms: time since its last word.
        type Coordinator (connected: bool, silent_ms: ?int, position: string, acknowledged: string)

        # What the reconciler saw. kernel_writes counts change messages since the agent started.
        type Dataplane (
          routes: int,
          nexthops: int,
          nft_elements: int,
          remote_blocks: int,
          kernel_writes: int,
          foreign: []string,
          pending: []string,
          # Tunnel endpoints of peers that echoes go to, and those of them that do not answer.
          paths: ?int,
          silent_paths: ?[]string
        )

        # What is read of the VMs. name: ports, tunnels, workloads, flows, observed or disk (the copy of the backlog). rows
        # is absent when the latest reading failed.
        type Source (name: string, rows: ?int, error: ?string)

        # bytes of source to destination (identifiers), counted for certain.
        type Pair (source: int, destination: int, bytes: int, packets: int)

        # Readings of one VM, block or pair that are missing: the figures beside are lower bounds then.
        type Gaps (unread: int, unbased: int, reset: int, late: int)

        # One application since the reading before. What is not known is absent, never 0. memory_bytes is of memory_vms
        # VMs; pairs are the largest.
        type ApplicationTelemetry (
          application: string,
          rx_bytes: ?int,
          tx_bytes: ?int,
          rx_packets: ?int,
          tx_packets: ?int,
          dropped_packets: ?int,
          tunnel_rx_bytes: ?int,
          tunnel_rx_packets: ?int,
          cpu_us: ?int,
          memory_bytes: ?int,
          memory_vms: int,
          pairs: ?[]Pair,
          gaps: Gaps
        )

        # Aggregates that the coordinator has not taken, the intervals in them, and intervals that were folded into
        # coarser ones or given up.
        type Backlog (batches: int, intervals: int, folded: int, lost: int)

        # An interface that another system manages: vm is the VM's UUID, or the interface's name where that is not known.
        # The counters are absolute, from the VM's side.
        type Observed (
          interface: string,
          application: string,
          vm: string,
          vm_name: ?string,
          rx_bytes: int,
          tx_bytes: int,
          rx_packets: int,
          tx_packets: int
        )

        # interval_ms: between readings. age_ms: since the latest. took_us: what it took. events: changes in the overlay's
        # namespace that were not the agent's own, by kind, since it started.
        type Telemetry (
          interval_ms: int,
          age_ms: ?int,
          took_us: ?int,
          sources: []Source,
          applications: []ApplicationTelemetry,
          flows: int,
          events: [string]int,
          backlog: Backlog,
          observed: []Observed
        )

        # Binds an identifier to interface `nic` of `vm` and makes its port. Calling it again with the same parameters
        # gives the same answer, and may name another workload. timeout_ms bounds the wait for a block.
        method Attach(
          application: string,
          session: ?string,
          vm: string,
          nic: int,
          mac: ?string,
          port: Port,
          timeout_ms: ?int,
          workload: ?Workload
        ) -> (
          sni: int,
          ipv4: string,
          ipv6: string,
          gateway4: string,
          gateway6: string,
          mtu: int,
          port: string,
          mac: string,
          class: string,
          served_from: string
        )

        # Hands over a port that was attached as `later`. namespace is where it is now, absent for the host's.
        method Plug(vm: string, nic: int, port: string, namespace: ?string, workload: ?Workload) -> (
          sni: int,
          ipv4: string,
          ipv6: string,
          gateway4: string,
          gateway6: string,
          mtu: int,
          port: string,
          mac: string,
          class: string,
          served_from: string
        )

        # Gives the interface's identifier back. Succeeds also when there was none. With hold_ms it is kept that long
        # for the interface, whose next Attach gets it again.
        method Detach(vm: string, nic: int, hold_ms: ?int) -> ()

        # After the journal was lost or damaged: confirms that the adopted ports are all there is. Binding goes on.
        method Resolve() -> ()

        # The agent's own view. damaged_journals: files that were set aside, until somebody removes them.
        method Status() -> (
          host: string,
          incarnation: string,
          boot: string,
          recovering: bool,
          binding_stopped: ?string,
          journal_sequence: int,
          grant: ?Grant,
          coordinator: Coordinator,
          leases: []Lease,
          bindings: []Binding,
          counts: Counts,
          dataplane: ?Dataplane,
          telemetry: ?Telemetry,
          damaged_journals: ?[]string
        )

        # Packets that the host's filters dropped since they were made, by reason; every reason is listed. place: port,
        # overlay, tunnel or underlay. bytes is absent where only packets are counted.
        type Drop (reason: string, place: string, packets: int, bytes: ?int, explanation: string)
        method Drops() -> (drops: []Drop)

        # The caller is neither root nor in the group of the socket.
        error PermissionDenied (uid: int)
        # The journal was lost or damaged: running ports are kept, nothing new is bound.
        error Recovering ()
        # The coordinator has not confirmed this boot, or refused it.
        error NotGranted (reason: string)
        # The coordinator has been silent for too long.
        error BindingsSuspended (silent_ms: int)
        error UnknownApplication (application: string)
        error ApplicationDeleting (application: string)
        # No identifiers left for the application; code is exhausted, quota or another one of the coordinator.
        error NoIdentifiers (code: string, detail: string)
        # No block came in time; connected tells whether the coordinator could be asked.
        error TimedOut (waited_ms: int, connected: bool)
        # The interface is attached with other parameters; difference names the first one.
        error DuplicateInterface (vm: string, nic: int, sni: ?int, difference: string)
        error NoSuchBinding (vm: string, nic: int)
        # A Detach of the same interface came while it was being attached.
        error Detached (vm: string, nic: int)
        # kind: no-such-namespace, no-such-port, name-taken, belongs-to-another, unsupported or failed.
        error PortFailed (kind: string, subject: string, detail: string)
        # The kernel refused; the launch was undone.
        error DataplaneFailed (reason: string)
        # The journal can't be written; running VMs are not touched.
        error JournalFailed (reason: string)
        error TooManyWaiting (limit: int)

        """
}
