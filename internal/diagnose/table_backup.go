package diagnose

// backupRules judge what could be restored if it had to be.
func backupRules() []rule {
	return []rule{
		{code: BackupUnusable, severity: Warning, needs: []Need{NeedSnapshots}, find: findBackupUnusable,
			messages: []string{"snapshot missing hash but --skip-hash-check=false", "expected sha256 […], got […]", "seek …: invalid argument"}, references: []string{"etcd-io/etcd#18340", "gardener/etcd-backup-restore#749"}},
		{code: BackupNoDigest, severity: Info, needs: []Need{NeedSnapshots}, find: findBackupNoDigest,
			messages: []string{"snapshot missing hash but --skip-hash-check=false"}},
		{code: BackupOtherCluster, severity: Warning, needs: []Need{NeedSnapshots}, find: findBackupOther},
		{code: BackupNone, severity: Warning, needs: []Need{NeedPlaces, NeedSnapshots}, causes: []Code{BackupUnusable, BackupOtherCluster}, find: findBackupNone},
		{code: BackupStale, severity: Warning, needs: []Need{NeedSnapshots}, causes: []Code{BackupUnusable, BackupOtherCluster}, find: findBackupStale, passing: true},
		{code: BackupIncomplete, severity: Warning, needs: []Need{NeedPlaces, NeedSnapshots}, find: findBackupIncomplete,
			messages: []string{"bootstrap data already found and encrypted with different token"}, references: []string{"rancher/rke2#6281", "k3s-io/k3s#8824", "kubernetes/kubeadm#2027"}},
		{code: BackupNeverProven, severity: Info, needs: []Need{NeedSnapshots, NeedVault}, find: findNeverProven, rate: rateNeverProven, passing: true,
			references: []string{"etcd-io/etcd#18340"}},
		{code: BackupSameDisk, severity: Info, needs: []Need{NeedFileSystems}, find: findBackupSameDisk},
	}
}
