# Before numpy: what it sets holds for the house that is measured, too.
import appliance as appliance
