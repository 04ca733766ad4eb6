package plan

import (
	"encoding/json"
	"fmt"

	"github.com/salvor-project/salvor/internal/diagnose"
)

// stepJSON is a Step on paper: the action's kind stands beside its data.
type stepJSON struct {
	ID    StepID          `json:"id"`
	Host  string          `json:"host"`
	Kind  Kind            `json:"kind"`
	Do    json.RawMessage `json:"do"`
	Text  json.RawMessage `json:"text"`
	Risk  Risk            `json:"risk"`
	Needs []StepID        `json:"needs,omitempty"`
	Spare bool            `json:"spare,omitempty"`
	Why   []diagnose.Code `json:"why,omitempty"`
}

// MarshalJSON writes the step with its action's kind, data, risk and text.
func (s Step) MarshalJSON() ([]byte, error) {
	do, err := json.Marshal(s.Action)
	if err != nil {
		return nil, fmt.Errorf("write step %s: %w", s.ID, err)
	}
	text, err := json.Marshal(s.Action.Text())
	if err != nil {
		return nil, fmt.Errorf("write step %s: %w", s.ID, err)
	}
	return json.Marshal(stepJSON{s.ID, s.Host, s.Action.Kind(), do, text, s.Action.Risk(), s.Needs, s.Spare, s.Why})
}

// UnmarshalJSON reads what MarshalJSON wrote; an unknown kind is an error.
func (s *Step) UnmarshalJSON(b []byte) error {
	var w stepJSON
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("read step: %w", err)
	}
	a, err := DecodeAction(w.Kind, w.Do)
	if err != nil {
		return fmt.Errorf("read step %s: %w", w.ID, err)
	}
	*s = Step{ID: w.ID, Host: w.Host, Action: a, Needs: w.Needs, Spare: w.Spare, Why: w.Why}
	return nil
}

// DecodeAction reads an action's data by its kind.
func DecodeAction(kind Kind, data []byte) (Action, error) {
	switch kind {
	case KindStopMember:
		return decode[StopMember](data)
	case KindStartMember:
		return decode[StartMember](data)
	case KindSalvage:
		return decode[Salvage](data)
	case KindCheckImage:
		return decode[CheckImage](data)
	case KindCopyFiles:
		return decode[CopyFiles](data)
	case KindBuildMember:
		return decode[BuildMember](data)
	case KindSetAside:
		return decode[SetAside](data)
	case KindPutInPlace:
		return decode[PutInPlace](data)
	case KindAwaitQuorum:
		return decode[AwaitQuorum](data)
	case KindSaveSnapshot:
		return decode[SaveSnapshot](data)
	case KindRemoveMember:
		return decode[RemoveMember](data)
	case KindAddLearner:
		return decode[AddLearner](data)
	case KindPromoteLearner:
		return decode[PromoteLearner](data)
	case KindCompact:
		return decode[Compact](data)
	case KindDefragment:
		return decode[Defragment](data)
	case KindDisarmAlarm:
		return decode[DisarmAlarm](data)
	case KindCanary:
		return decode[Canary](data)
	case KindDiscard:
		return decode[Discard](data)
	case KindFenceComponent:
		return decode[FenceComponent](data)
	case KindReleaseComponent:
		return decode[ReleaseComponent](data)
	case KindAwaitAPI:
		return decode[AwaitAPI](data)
	case KindRestartKubelet:
		return decode[RestartKubelet](data)
	case KindAwaitNodes:
		return decode[AwaitNodes](data)
	case KindAwaitBalancer:
		return decode[AwaitBalancer](data)
	}
	return nil, fmt.Errorf("action %q is not known to this version of salvor", kind)
}

func decode[A Action](data []byte) (Action, error) {
	var a A
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, fmt.Errorf("read action %s: %w", a.Kind(), err)
	}
	return a, nil
}
